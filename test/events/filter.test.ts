import { describe, expect, it } from "vitest";
import { matches, project, type WatchFilter } from "../../src/events/filter.ts";
import type { Resource } from "../../src/model/change.ts";
import { workspaceRecord } from "../support/records.ts";
import { deleted, newLease, subjectOfLease, upserted } from "./new-changes.ts";

const all: WatchFilter = {
  companyId: "",
  projectWorkspaceIds: [],
  workspaceIds: [],
  serviceIds: [],
  runIds: [],
  kinds: [],
};

describe("a watch's filter", () => {
  const lease: Resource = { kind: "LEASE", resource: newLease({ serviceId: "s1" }) };
  const workspace: Resource = { kind: "WORKSPACE", resource: workspaceRecord() };

  it("lets everything through that it does not speak of", () => {
    expect(matches(all, lease)).toBe(true);
    expect(matches(all, workspace)).toBe(true);
  });

  it.each<[Partial<WatchFilter>, boolean, boolean]>([
    [{ companyId: "c1" }, true, true],
    [{ companyId: "c2" }, false, false],
    [{ workspaceIds: ["w0", "w1"] }, true, true],
    [{ projectWorkspaceIds: ["pw1"] }, false, true],
    [{ serviceIds: ["s1"] }, true, false],
    [{ runIds: ["r1"] }, true, false],
    [{ runIds: ["r1"], workspaceIds: ["w2"] }, false, false],
    [{ kinds: ["WORKSPACE", "SERVICE"] }, false, true],
  ])("%j", (filter, ofLease, ofWorkspace) => {
    expect(matches({ ...all, ...filter }, lease)).toBe(ofLease);
    expect(matches({ ...all, ...filter }, workspace)).toBe(ofWorkspace);
  });

  it("turns the change that leaves it into a deletion with the last state", () => {
    const left = upserted(2, { runId: "r2" }, subjectOfLease({ runId: "r1" }));
    expect(project({ ...all, runIds: ["r1"] }, left)).toEqual({ ...left, type: "DELETED" });
    expect(project({ ...all, runIds: ["r2"] }, left)).toBe(left);
    expect(project({ ...all, runIds: ["r3"] }, left)).toBeUndefined();
  });

  it("tells a deletion to whom the resource was visible", () => {
    const gone = deleted(2);
    expect(project({ ...all, runIds: ["r1"] }, gone)).toBe(gone);
    expect(project({ ...all, runIds: ["r2"] }, gone)).toBeUndefined();
  });
});
