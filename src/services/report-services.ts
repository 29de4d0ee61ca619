import { type FieldViolation, invalidField, RuntimeError } from "../errors.ts";
import type { Service } from "../model/service.ts";
import type { Workspace } from "../model/workspace.ts";
import type { NewService } from "../store/services.ts";
import type { StoreQueries } from "../store/store.ts";
import type { ServicesCore } from "./core.ts";
import { readyComment } from "./ready-comment.ts";
import { type ReportContext, reportedPatch, reportedRow } from "./report-row.ts";
import type { ReportRequest, ReportResult } from "./services.ts";
import { workspaceNotFound } from "./workspace-of.ts";

/** Services that an adapter runs elsewhere: recorded all together or not at all. */
export async function reportServices(
  core: ServicesCore,
  request: ReportRequest,
): Promise<ReportResult> {
  refuseInvalid(request);
  // Entered before anything is waited for: a release of the run from here on ends this call.
  const call = request.runId === "" ? undefined : core.runs.enter(request.runId);
  try {
    const context = await contextOf(core, request);
    const rows = request.reports.map((report) => reportedRow(report, context));
    refuseDoubles(rows);
    const write = () =>
      core.store.transaction(async (tx) => {
        const written: Service[] = [];
        for (const row of rows) written.push(await writeRow(tx, row));
        return written;
      });
    const services = await (call === undefined ? write() : call.write(write));
    const { workspace } = context;
    const named = services.map((service) => ({ service, reused: false }));
    return {
      services,
      readyComment: workspace === undefined ? "" : readyComment(workspace, named),
    };
  } finally {
    call?.leave();
  }
}

/** What the run's adapters would end with it: marked, for nobody but them can stop it. */
export async function endReportedOf(core: ServicesCore, runId: string): Promise<Service[]> {
  return core.store.transaction(async (tx) => {
    const reported = await tx.services.listAll({
      runIds: [runId],
      providers: ["ADAPTER_MANAGED"],
      states: ["STARTING", "RUNNING", "STOPPING", "BACKOFF"],
    });
    const ended: Service[] = [];
    for (const { serviceId, startedByRunId, lifecycle } of reported) {
      if (lifecycle !== "EPHEMERAL" || startedByRunId !== runId) continue;
      const row = await tx.services.update(serviceId, {
        state: "STOPPED",
        stateReason: "RUN_RELEASED",
        health: "UNKNOWN",
        stopTime: core.clock.now(),
      });
      if (row !== undefined) ended.push(row);
    }
    return ended;
  });
}

async function contextOf(core: ServicesCore, request: ReportRequest): Promise<ReportContext> {
  const now = core.clock.now();
  if (request.workspaceId === "") {
    if (request.companyId !== "") return { request, companyId: request.companyId, now };
    throw invalidField("company_id", "is required unless workspace_id names a workspace");
  }
  const workspace = await core.store.workspaces.get(request.workspaceId);
  if (workspace === undefined) throw workspaceNotFound(request.workspaceId);
  const companyId = request.companyId || workspace.companyId;
  if (companyId !== workspace.companyId) throw otherCompanys(workspace);
  return { request, companyId, workspace, now };
}

async function writeRow(tx: StoreQueries, row: NewService): Promise<Service> {
  const { record, inserted } = await tx.services.insert(row);
  if (inserted) return record;
  const isItsOwn =
    record.provider === "ADAPTER_MANAGED" &&
    record.adapterType === row.adapterType &&
    record.companyId === row.companyId;
  if (!isItsOwn) {
    const message = `service "${row.serviceId}" was not reported by the adapter "${row.adapterType ?? ""}" of this company: only that may update it`;
    throw new RuntimeError("FORBIDDEN", message, { metadata: { service_id: row.serviceId } });
  }
  return (await tx.services.update(record.serviceId, reportedPatch(row, record))) ?? record;
}

const MOST_REPORTS = 500;
const MOST_PORT = 65_535;
/** With the hash that follows it in ids, it stays within the 200 characters of one. */
const ADAPTER_TYPE = /^[^\p{C}\p{Z}]{1,150}$/u;

function refuseInvalid({ adapterType, reports }: ReportRequest): void {
  const violations: FieldViolation[] = [];
  const refuse = (field: string, description: string) => violations.push({ field, description });
  if (!ADAPTER_TYPE.test(adapterType)) {
    refuse("adapter_type", "is required: 1 to 150 visible characters");
  }
  if (reports.length > MOST_REPORTS) {
    refuse("reports", `has ${reports.length} entries; at most ${MOST_REPORTS} in one call`);
  }
  for (const [index, { port }] of reports.entries()) {
    if (port === undefined || (port >= 1 && port <= MOST_PORT)) continue;
    refuse(`reports[${index}].port`, `must be 1 to ${MOST_PORT}, not ${port}`);
  }
  const [first] = violations;
  if (first === undefined) return;
  throw new RuntimeError("INVALID_FIELD", `${first.field}: ${first.description}`, { violations });
}

function refuseDoubles(rows: readonly NewService[]): void {
  const seen = new Map<string, number>();
  for (const [index, { serviceId }] of rows.entries()) {
    const former = seen.get(serviceId);
    seen.set(serviceId, index);
    if (former === undefined) continue;
    const description = `is the service of reports[${former}] again: say what tells them apart`;
    throw invalidField(`reports[${index}].id`, description);
  }
}

function otherCompanys({ workspaceId }: Workspace): RuntimeError {
  return new RuntimeError("FORBIDDEN", `workspace "${workspaceId}" is not this company's`, {
    metadata: { workspace_id: workspaceId },
  });
}
