import type { Clock } from "../clock.ts";
import type { Change } from "../model/change.ts";
import type { ChangeQueries } from "./changes.ts";
import { createChangeQueries } from "./changes.ts";
import type { DatabaseLocation } from "./database.ts";
import { openDatabase } from "./database.ts";
import type { GarbageQueries } from "./garbage.ts";
import { createGarbageQueries } from "./garbage.ts";
import type { LeaseQueries } from "./leases.ts";
import { createLeaseQueries } from "./leases.ts";
import type { LiveResources } from "./live-resources.ts";
import { readLiveResources } from "./live-resources.ts";
import { type LogMembers, type LogMembersQuery, readLogMembers } from "./log-members.ts";
import { readGeneration } from "./meta.ts";
import { migrate } from "./migrate.ts";
import type { OperationQueries } from "./operations.ts";
import { createOperationQueries } from "./operations.ts";
import type { PortQueries } from "./ports.ts";
import { createPortQueries } from "./ports.ts";
import type { ProjectWorkspaceQueries } from "./project-workspaces.ts";
import { createProjectWorkspaceQueries } from "./project-workspaces.ts";
import type { RequestQueries } from "./requests.ts";
import { createRequestQueries } from "./requests.ts";
import type { ServiceQueries } from "./services.ts";
import { createServiceQueries } from "./services.ts";
import type { Session } from "./session.ts";
import { createSession } from "./session.ts";
import { setSpaceAside } from "./space-aside.ts";
import type { WorkspaceQueries } from "./workspaces.ts";
import { createWorkspaceQueries } from "./workspaces.ts";

export interface StoreOptions {
  readonly database: DatabaseLocation;
  /** Whose rows this server's are. */
  readonly nodeId: string;
  readonly clock: Clock;
  /** Called after each commit that changed a resource, in the order of revisions. Must not throw. */
  readonly onCommit?: (changes: readonly Change[]) => void;
  /** How many of the newest changes a watch can go back. Default 20,000. */
  readonly retainedChanges?: number;
}

/** The tables' queries, of the store or of one transaction. */
export interface StoreQueries {
  readonly projectWorkspaces: ProjectWorkspaceQueries;
  readonly workspaces: WorkspaceQueries;
  readonly services: ServiceQueries;
  readonly leases: LeaseQueries;
  readonly operations: OperationQueries;
  readonly ports: PortQueries;
  readonly requests: RequestQueries;
  readonly changes: ChangeQueries;
  readonly garbage: GarbageQueries;
}

/**
 * The rows. A query outside `transaction` that writes is a transaction of its own. Every call fails
 * with STORE_UNAVAILABLE while the database is away and STORAGE_FULL when it has no space. A write
 * that was cut off by a lost connection may have been committed: read before doing it again.
 */
export interface Store extends StoreQueries {
  readonly kind: "sqlite" | "postgres";
  /** Tells this database from every other: a cursor of another one is worth nothing here. */
  readonly generation: string;
  /**
   * All or nothing, and alone: no other transaction of any server comes between. `work` uses the
   * queries that it is given (the store's own would wait for themselves, and refuse) and waits for
   * nothing else: no process, no network, no timer.
   */
  transaction<T>(work: (tx: StoreQueries) => Promise<T>): Promise<T>;
  /** What a watch begins with: of one company, "" for all. */
  liveResources(companyId: string): Promise<LiveResources>;
  /** What has logs of a run or a workspace. */
  logMembers(query: LogMembersQuery): Promise<LogMembers>;
  /** Waits for what is running; every later call fails with STORE_UNAVAILABLE. */
  close(): Promise<void>;
}

/**
 * Opens the database and brings its schema up to date. STORE_UNAVAILABLE, with what to do, for one
 * that cannot be reached, is damaged, or was written by a newer version.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { clock, nodeId, onCommit = () => {}, retainedChanges = 20_000 } = options;
  const database = await openDatabase(options.database);
  try {
    await migrate(database);
    await setSpaceAside(database);
    const session = createSession({ database, clock, nodeId, onCommit, retainedChanges });
    return {
      ...createQueries(session),
      kind: database.dialect.kind,
      generation: await readGeneration(session),
      transaction: (work) => session.write((tx) => work(createQueries(tx))),
      liveResources: (companyId) => readLiveResources(session, companyId),
      logMembers: (query) => readLogMembers(session, query),
      close: () => session.close(),
    };
  } catch (error) {
    await database.db.destroy();
    throw error;
  }
}

function createQueries(session: Session): StoreQueries {
  return {
    projectWorkspaces: createProjectWorkspaceQueries(session),
    workspaces: createWorkspaceQueries(session),
    services: createServiceQueries(session),
    leases: createLeaseQueries(session),
    operations: createOperationQueries(session),
    ports: createPortQueries(session),
    requests: createRequestQueries(session),
    changes: createChangeQueries(session),
    garbage: createGarbageQueries(session),
  };
}
