import { create, equals, fromBinary, type Message } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  GetServiceResponseSchema,
  ListServicesResponseSchema,
  ServiceSchema,
  StopPolicySchema,
} from "../../gen/workspace/runtime/v1/service_pb.ts";
import {
  ChangeSchema,
  WatchStatusResponseSchema,
} from "../../gen/workspace/runtime/v1/watch_pb.ts";
import { type Encoded, encoderOf } from "../../src/rpc/encode.ts";
import { sharingEncoder } from "../../src/rpc/encode-shared.ts";

function bytesOf(encoded: Encoded): Buffer {
  const target = Buffer.alloc(encoded.byteLength + 5, 0xee);
  encoded.copy(target, 5);
  return target.subarray(5);
}

const text = fc.string({ unit: "grapheme" });
const service = fc
  .record({ serviceId: text, stateMessage: text, leaseRunIds: fc.array(text), revision: fc.nat() })
  .map(({ revision, ...rest }) => create(ServiceSchema, { ...rest, revision: BigInt(revision) }));

describe("the encoder of answers with services or changes", () => {
  it("says what the library's encoder says", () => {
    const check = (desc: Parameters<typeof encoderOf>[0], message: Message) => {
      const decoded = fromBinary(desc, bytesOf(encoderOf(desc)(message)));
      expect(equals(desc, decoded, message)).toBe(true);
    };
    fc.assert(
      fc.property(
        fc.array(service, { maxLength: 4 }),
        text,
        fc.boolean(),
        (services, cursor, on) => {
          const [first] = services;
          check(
            GetServiceResponseSchema,
            create(GetServiceResponseSchema, first && { service: first }),
          );
          check(
            ListServicesResponseSchema,
            create(ListServicesResponseSchema, { services, cursor }),
          );
          const changes = services.map((value) =>
            create(ChangeSchema, { type: 1, resource: { case: "service", value }, revision: 7n }),
          );
          const watched = { changes, cursor, snapshotComplete: on, heartbeat: !on };
          check(WatchStatusResponseSchema, create(WatchStatusResponseSchema, watched));
        },
      ),
    );
  });

  it("encodes one message object once, in whatever answer it stands", () => {
    const shared = create(ServiceSchema, { serviceId: "before" });
    const get = encoderOf(GetServiceResponseSchema);
    const list = encoderOf(ListServicesResponseSchema);
    get(create(GetServiceResponseSchema, { service: shared }));
    // Nobody may do this: it shows that the message is not looked at again.
    shared.serviceId = "after";
    const bytes = bytesOf(list(create(ListServicesResponseSchema, { services: [shared] })));
    expect(fromBinary(ListServicesResponseSchema, bytes).services[0]?.serviceId).toBe("before");
  });

  it("leaves other messages to the library", () => {
    expect(sharingEncoder(StopPolicySchema)).toBe(undefined);
  });
});
