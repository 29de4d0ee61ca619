import { execFileSync } from "node:child_process";
import { StopProof } from "../../gen/workspace/runtime/v1/service_pb.ts";
import type { TestServer } from "./server.ts";

export interface ProofMode {
  readonly host: string;
  /** Runs a server on such a host; for `startServer`. */
  readonly through: readonly string[];
}

/** In a mount namespace of the server's own the host is made to lack what the stronger proofs need. */
const NO_CGROUPS = "mount -t tmpfs none /sys/fs/cgroup";
const NO_PERL = 'mount --bind /bin/false "$(readlink -f "$(command -v perl)")"';

/** This machine, and the poorer ones that it can be made to look like. */
export function proofModes(): readonly ProofMode[] {
  const modes: readonly ProofMode[] = [
    { host: "this host", through: [] },
    { host: "a host without cgroups", through: without(NO_CGROUPS) },
    {
      host: "a host without cgroups and Perl",
      through: without(`${NO_CGROUPS} && ${NO_PERL}`),
    },
  ];
  return modes.filter(({ through }) => through.length === 0 || runs(through));
}

/** The strongest proof that the server found itself able to give. */
export async function proofOf({ client }: TestServer): Promise<StopProof> {
  const { limits } = await client.getRuntimeInfo({});
  if (limits.stop_proof_cgroup) return StopProof.CGROUP;
  return limits.stop_proof_subreaper ? StopProof.SUBREAPER : StopProof.SCAN;
}

function without(mounts: string): readonly string[] {
  return ["unshare", "--mount", "sh", "-c", `${mounts} && exec "$@"`, "without"];
}

function runs([program = "", ...args]: readonly string[]): boolean {
  try {
    execFileSync(program, [...args, "true"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
