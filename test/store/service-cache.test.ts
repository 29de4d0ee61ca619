import { describe, expect, it } from "vitest";
import { databases } from "../support/databases.ts";
import { newClaim, newService } from "./new-records.ts";
import { useStore } from "./use-store.ts";

describe.each(databases)("services read again on $name", (database) => {
  const fixture = useStore(database);

  it("are the same object until they change, by anybody's hand", async () => {
    const { store, open } = fixture();
    await store.services.insert(newService());
    const first = await store.services.get("s1");
    expect(await store.services.get("s1")).toBe(first);
    const other = await open();
    await other.services.update("s1", { stateMessage: "changed" });
    expect(await store.services.get("s1")).toMatchObject({ stateMessage: "changed", revision: 2 });
    await other.services.delete("s1");
    expect(await store.services.get("s1")).toBe(undefined);
  });

  it("lose a run with its lease's time, which is no change of the row", async () => {
    const { store, clock } = fixture();
    await store.services.insert(newService());
    await store.leases.acquire(newClaim({ serviceId: "s1", ttlMs: 1_000 }));
    expect((await store.services.get("s1"))?.leaseRunIds).toEqual(["r1"]);
    clock.advance(1_000);
    expect((await store.services.get("s1"))?.leaseRunIds).toEqual([]);
  });

  it("are not what a transaction saw that was rolled back", async () => {
    const { store } = fixture();
    await store.services.insert(newService());
    const undone = store.transaction(async (tx) => {
      await tx.services.update("s1", { stateMessage: "undone" });
      expect(await tx.services.get("s1")).toMatchObject({ stateMessage: "undone", revision: 2 });
      throw new Error("changed its mind");
    });
    await expect(undone).rejects.toThrow("changed its mind");
    await store.services.update("s1", { stateMessage: "done" });
    expect(await store.services.get("s1")).toMatchObject({ stateMessage: "done", revision: 2 });
  });

  it("wait for a transaction that is open, and see all of it", async () => {
    const { store } = fixture();
    await store.services.insert(newService());
    const writing = store.transaction(async (tx) => {
      await tx.services.update("s1", { stateMessage: "one" });
      await tx.services.update("s1", { url: "http://two/" });
    });
    const seen: (string | undefined)[] = [];
    let isWriting = true;
    const reading = (async () => {
      while (isWriting) {
        const { stateMessage, url } = (await store.services.get("s1")) ?? {};
        seen.push(`${stateMessage} ${url}`);
      }
    })();
    await writing;
    isWriting = false;
    await reading;
    expect(seen.filter((one) => one !== " " && one !== "one http://two/")).toEqual([]);
  });
});
