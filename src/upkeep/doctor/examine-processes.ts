import { join } from "node:path";
import type { Inspection } from "../../supervisor/inspection.ts";
import type { MarkedProcess } from "../../supervisor/marked-processes.ts";
import { isInUse, namesIn, readStoredDirectory } from "../stored-directory.ts";
import type { Finding } from "./finding.ts";
import type { Rows, ServiceFacts } from "./rows.ts";

export interface ProcessesToExamine {
  readonly inspection: Inspection;
  readonly servicesDirectory: string;
  readonly serverRuns: boolean;
  /** Looked for before the rows were read: a process has its row before it is there, so none is missing. */
  readonly marked: readonly MarkedProcess[];
  /** Stops a service that lives without a row, or was adopted so, with proof. */
  readonly stopStray: (serviceId: string, instanceDirectory: string) => Promise<void>;
  /** Removes what has no row. */
  readonly removeOrphans: () => Promise<void>;
}

/** The rows against the records of the processes, and both against what lives. */
export async function examineProcesses(
  rows: Rows,
  context: ProcessesToExamine,
): Promise<Finding[]> {
  const known = new Map(rows.services.map((service) => [service.serviceId, service]));
  const findings = await Promise.all(
    rows.services
      .filter(({ isRunning }) => isRunning)
      .map((service) => examineRow(service, context)),
  );
  return [
    ...findings.flat(),
    ...(await examineDirectories(known, context)),
    ...examineMarked(known, rows, context),
  ];
}

async function examineRow(service: ServiceFacts, context: ProcessesToExamine): Promise<Finding[]> {
  const { inspection, servicesDirectory, serverRuns } = context;
  const { serviceId, name, instance, pid, isStray } = service;
  const directory = join(servicesDirectory, serviceId, "instances", String(instance));
  const living = await inspection.recorded(directory);
  const findings: Finding[] = [];
  if (living === undefined) {
    findings.push({
      check: "processes",
      problem: `${name} (${serviceId}) is RUNNING by its row, but its process is gone.`,
      advice: serverRuns
        ? "It may have ended this very moment: look again. If it stays so, restart the server."
        : "Start the server: it finds the exit and writes it.",
    });
  } else if (pid !== String(living.pid)) {
    findings.push({
      check: "processes",
      problem: `${name} (${serviceId}) has pid ${pid || "none"} in its row, and runs as ${living.pid}.`,
      advice: "Restart the server: it reads the process's own record. Services go on meanwhile.",
    });
  }
  if (isStray && living !== undefined) {
    findings.push({
      check: "strays",
      problem: `${name} (${serviceId}, pid ${living.pid}) was found running without a row.`,
      advice: `If nobody needs it: workspace-runtime stop ${serviceId}`,
      repair: {
        what: `stop ${name} (${serviceId})`,
        run: () => context.stopStray(serviceId, directory),
      },
    });
  }
  return findings;
}

/** Directories that no row, or only the row of an ended service, knows of. */
async function examineDirectories(
  known: ReadonlyMap<string, ServiceFacts>,
  context: ProcessesToExamine,
): Promise<Finding[]> {
  const { inspection, servicesDirectory } = context;
  const findings: Finding[] = [];
  let orphans = 0;
  for (const serviceId of await namesIn(servicesDirectory)) {
    if (known.get(serviceId)?.isLive === true) continue;
    const stored = await readStoredDirectory(join(servicesDirectory, serviceId));
    const lives = await Promise.all(stored.instances.map((path) => inspection.recorded(path)));
    const found = lives.findIndex((process) => process !== undefined);
    const instance = stored.instances[found];
    if (instance !== undefined) {
      findings.push({
        check: "strays",
        problem: `Service ${serviceId} lives (pid ${lives[found]?.pid}), and ${known.has(serviceId) ? "its row says that it has ended" : "has no row"}.`,
        advice: "Start the server: it gives it a row, so that it can be seen and stopped.",
        repair: {
          what: `stop service ${serviceId}`,
          run: () => context.stopStray(serviceId, instance),
        },
      });
    } else if (!known.has(serviceId) && !(await isInUse(stored, inspection))) {
      orphans += 1;
    }
  }
  if (orphans > 0) {
    findings.push({
      check: "directories",
      problem: `${orphans} director${orphans === 1 ? "y" : "ies"} in ${servicesDirectory} belong to no service.`,
      advice:
        "workspace-runtime gc, with the server running, removes them; so does the server once a day.",
      repair: { what: `remove the directories of no service`, run: context.removeOrphans },
    });
  }
  return findings;
}

/** Evidence, no proof: tmux or Gradle daemons that a service started bear the marker as well. */
function examineMarked(
  known: ReadonlyMap<string, ServiceFacts>,
  { operationIds }: Rows,
  { marked, inspection }: ProcessesToExamine,
): Finding[] {
  const strays = marked.filter(({ instanceId }) => {
    const serviceId = instanceId.replace(/-\d+$/, "");
    return known.get(serviceId)?.isLive !== true && !operationIds.includes(instanceId);
  });
  return strays.map((stray) => ({
    check: "strays",
    problem: `pid ${stray.pid} (${stray.command}) was started by ${stray.instanceId}, which is no more.`,
    advice: `If it is not meant to stay: kill ${stray.pid}`,
    repair: {
      what: `end pid ${stray.pid} (${stray.command})`,
      async run() {
        if (!(await inspection.end(stray))) throw new Error(`pid ${stray.pid} cannot be ended`);
      },
    },
  }));
}
