import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { ListServicesResponseSchema } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { pathOf, startServer, TOKEN } from "../server/support.ts";

/** Hazard 45a: what a caller misspelled must not silently become a default. */
async function post(address: string, method: string, body: string) {
  const answer = await fetch(`${address}${pathOf(method)}`, {
    method: "POST",
    headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
    body,
  });
  return { status: answer.status, body: await answer.json() };
}

async function server() {
  const seen: unknown[] = [];
  const { address } = await startServer({
    async listServices(request) {
      seen.push(request.states);
      return create(ListServicesResponseSchema);
    },
    // biome-ignore lint/correctness/useYield: it must not come this far.
    async *watchStatus() {
      seen.push("watch");
    },
  });
  return { address, seen };
}

const invalid = (words: string) => ({
  status: 400,
  body: {
    code: "invalid_argument",
    message: expect.stringContaining(words),
    details: [{ type: "google.rpc.ErrorInfo", debug: { reason: "INVALID_FIELD" } }],
  },
});

describe("JSON requests", () => {
  it("work with both spellings of a field and with enum names", async () => {
    const { address, seen } = await server();
    const good = '{"companyId":"c","page_size":5,"states":["SERVICE_STATE_RUNNING"]}';
    expect(await post(address, "ListServices", good)).toMatchObject({ status: 200 });
    expect(seen).toEqual([[2]]);
  });

  it.each([
    ["a misspelled field", '{"companyID":"c"}', "companyID"],
    ["a misspelled enum name", '{"states":["RUNNING"]}', "ServiceState"],
    ["an enum name in lower case", '{"states":["service_state_running"]}', "ServiceState"],
    ["a number as text where a list stands", '{"states":"SERVICE_STATE_RUNNING"}', "states"],
    ["a text as flag", '{"current":"yes"}', "current"],
    ["a fraction as count", '{"pageSize":1.5}', "page_size"],
    ["text that is no JSON", '{"companyId":', "JSON"],
    ["a list instead of a message", "[]", "ListServicesRequest"],
  ])("refuse %s", async (_what, body, words) => {
    const { address, seen } = await server();
    expect(await post(address, "ListServices", body)).toMatchObject(invalid(words));
    expect(seen).toEqual([]);
  });

  it("refuse a misspelled field of a stream", async () => {
    const { address, seen } = await server();
    const json = Buffer.from('{"companyID":"c"}');
    const envelope = Buffer.alloc(5);
    envelope.writeUInt32BE(json.length, 1);
    const answer = await fetch(`${address}${pathOf("WatchStatus")}`, {
      method: "POST",
      headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/connect+json" },
      body: Buffer.concat([envelope, json]),
    });
    const end = JSON.parse((await answer.text()).slice(5));
    expect(end.error).toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining("companyID"),
      details: [{ debug: { reason: "INVALID_FIELD" } }],
    });
    expect(seen).toEqual([]);
  });

  it("refuse a misspelled field of a GET", async () => {
    const { address, seen } = await server();
    const query = new URLSearchParams({ connect: "v1", encoding: "json", message: '{"x":1}' });
    const answer = await fetch(`${address}${pathOf("ListServices")}?${query}`, {
      headers: { authorization: `Bearer ${TOKEN}` },
    });
    expect(answer.status).toBe(400);
    expect(seen).toEqual([]);
    const good = new URLSearchParams({ connect: "v1", encoding: "json", message: "{}" });
    const answered = await fetch(`${address}${pathOf("ListServices")}?${good}`, {
      headers: { authorization: `Bearer ${TOKEN}` },
    });
    expect(answered.status).toBe(200);
  });
});
