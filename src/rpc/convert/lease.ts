import { create, type MessageShape } from "@bufbuild/protobuf";
import { LeaseMode, LeaseSchema } from "../../../gen/workspace/runtime/v1/lease_pb.ts";
import type { Lease } from "../../model/lease.ts";
import { enumReader } from "./enums.ts";
import { durationFromMs, timestampOrAbsent } from "./time.ts";

export const leaseModeFromValue = enumReader(LeaseMode);

export function leaseToMessage(lease: Lease): MessageShape<typeof LeaseSchema> {
  return create(LeaseSchema, {
    leaseId: lease.leaseId,
    companyId: lease.companyId,
    runId: lease.runId,
    workspaceId: lease.workspaceId,
    serviceId: lease.serviceId,
    mode: LeaseMode[lease.mode],
    ttl: lease.ttlMs === 0 ? undefined : durationFromMs(lease.ttlMs),
    fencingToken: BigInt(lease.fencingToken),
    createTime: timestampOrAbsent(lease.createTime),
    renewTime: timestampOrAbsent(lease.renewTime),
    expireTime: timestampOrAbsent(lease.expireTime),
    revision: BigInt(lease.revision),
  });
}
