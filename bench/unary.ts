import { create, toBinary } from "@bufbuild/protobuf";
import { EnsureServicesRequestSchema } from "../gen/workspace/runtime/v1/run_pb.ts";
import { GetServiceRequestSchema } from "../gen/workspace/runtime/v1/service_pb.ts";
import { httpService } from "../test/support/workspace.ts";
import { bareService } from "./support/bare-service.ts";
import { type Bench, type Measure, sized } from "./support/bench.ts";
import { type ByteClient, clientOf, clientOfBare, methodPath } from "./support/grpc-client.ts";
import { withStoredServices } from "./support/many-services.ts";
import { cpuMs } from "./support/process-cost.ts";
import { type BareServer, type Scene, withBareServer, withScene } from "./support/scene.ts";
import { alternate, median, medianRatio } from "./support/statistics.ts";
import { report } from "./support/table.ts";

const ROUNDS = sized(7, 3);
const REQUESTS = sized(4_000, 400);
/** Callers at a time. */
const CALLERS = 8;
const LISTED = 1_000;

/**
 * What one answer costs the server, against a bare grpc-js echo of a message as large as the answer,
 * with a token that is checked in both. The reused service has an HTTP probe, under the 2 s rule.
 */
export const unary: Bench = {
  number: 7,
  title: "Unary calls: requests/s and server CPU a request",
  async run() {
    const small = await withScene((scene) => withBareServer((bare) => measure(scene, bare)));
    return [...small, ...(await measureList())];
  },
};

async function measure(scene: Scene, bare: BareServer): Promise<Measure[]> {
  const { server, workspaceId } = scene;
  const spec = httpService("web", { readiness: { check: { case: "http", value: {} } } as never });
  const serviceId = await scene.start(spec);
  const get = toBinary(GetServiceRequestSchema, create(GetServiceRequestSchema, { serviceId }));
  const ensure = toBinary(
    EnsureServicesRequestSchema,
    create(EnsureServicesRequestSchema, { runId: "bench-1", workspaceId, services: [spec] }),
  );
  const client = clientOf(server);
  const bareClient = clientOfBare(bare);
  const answer = await client.unary(methodPath("GetService"), get);
  const reuse = await client.unary(methodPath("EnsureServices"), ensure);

  const load = (pid: number, caller: ByteClient, path: string, request: Uint8Array) => () =>
    costOf(pid, () => callMany(caller, path, request));
  const rounds = await alternate(ROUNDS + 1, {
    get: load(server.pid, client, methodPath("GetService"), get),
    echo: load(bare.pid, bareClient, bareService.echo.path, answer),
    ensure: load(server.pid, client, methodPath("EnsureServices"), ensure),
    echoOfReuse: load(bare.pid, bareClient, bareService.echo.path, reuse),
  });
  client.close();
  bareClient.close();
  // The first round warms up.
  const cpu = (name: keyof typeof rounds) => rounds[name].slice(1).map((one) => one.cpuUs);
  const rate = (name: keyof typeof rounds) => median(rounds[name].slice(1).map((one) => one.rate));
  return [
    { what: "GetService", value: rate("get"), unit: "/s" },
    { what: `echo of ${answer.length} bytes`, value: rate("echo"), unit: "/s" },
    { what: "GetService, server CPU", value: median(cpu("get")), unit: "µs" },
    { what: "echo, server CPU", value: median(cpu("echo")), unit: "µs" },
    {
      what: "GetService to echo, server CPU",
      value: medianRatio(cpu("get"), cpu("echo")),
      unit: "×",
      target: { atMost: 1.6 },
    },
    { what: "EnsureServices that reuses", value: rate("ensure"), unit: "/s" },
    { what: "EnsureServices that reuses, server CPU", value: median(cpu("ensure")), unit: "µs" },
    {
      what: `EnsureServices that reuses to echo of ${reuse.length} bytes, server CPU`,
      value: medianRatio(cpu("ensure"), cpu("echoOfReuse")),
      unit: "×",
      target: { atMost: 3 },
    },
  ];
}

/** All pages: the contract gives out 500 at a time. */
function measureList(): Promise<Measure[]> {
  return withStoredServices(LISTED, async (server) => {
    const times: number[] = [];
    const costs: number[] = [];
    for (let round = 0; round <= sized(20, 5); round += 1) {
      const { seconds, cpuMs } = await costOf(server.pid, async () => {
        let pageToken = "";
        do {
          const page = await server.client.listServices({ pageSize: 500, pageToken });
          pageToken = page.nextPageToken;
        } while (pageToken !== "");
      });
      if (round === 0) continue;
      times.push(seconds * 1000);
      costs.push(cpuMs);
    }
    return [
      {
        what: `ListServices of ${LISTED}, in pages of 500, decoded by the client`,
        value: median(times),
        unit: "ms",
        target: { atMost: 40 },
      },
      { what: `ListServices of ${LISTED}, server CPU`, value: median(costs), unit: "ms" },
    ];
  });
}

async function callMany(client: ByteClient, path: string, request: Uint8Array): Promise<void> {
  let left = REQUESTS;
  const caller = async () => {
    while (left > 0) {
      left -= 1;
      await client.unary(path, request);
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
}

async function costOf(pid: number, run: () => Promise<void>) {
  const before = cpuMs(pid);
  const begun = performance.now();
  await run();
  const seconds = (performance.now() - begun) / 1000;
  const spent = cpuMs(pid) - before;
  return { seconds, cpuMs: spent, rate: REQUESTS / seconds, cpuUs: (spent / REQUESTS) * 1000 };
}

if (import.meta.main) await report(unary);
