import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, type ServiceError, status } from "@grpc/grpc-js";
import {
  HealthCheckRequestSchema,
  HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../../gen/grpc/health/v1/health_pb.ts";
import { type Attempt, failed } from "./attempt.ts";
import { firstGood } from "./loopback.ts";

/**
 * One `grpc.health.v1.Health/Check` in cleartext, on loopback; `service` "" is the server as a whole.
 * Bounded by `timeoutMs` for each address.
 */
export function attemptGrpc(port: number, service: string, timeoutMs: number): Promise<Attempt> {
  return firstGood((address) => check(address, port, service, timeoutMs));
}

const METHOD = "/grpc.health.v1.Health/Check";

const options = {
  // The library's pool remembers a refused connection and waits a second before it tries again.
  "grpc.use_local_subchannel_pool": 1,
  // Loopback is never behind the proxy that the environment may name.
  "grpc.enable_http_proxy": 0,
  "grpc.enable_retries": 0,
  "grpc.max_receive_message_length": 64 * 1024,
} as const;

function check(
  address: string,
  port: number,
  service: string,
  timeoutMs: number,
): Promise<Attempt> {
  const host = address.includes(":") ? `[${address}]` : address;
  const client = new Client(`${host}:${port}`, credentials.createInsecure(), options);
  return new Promise<Attempt>((resolve) => {
    client.makeUnaryRequest(
      METHOD,
      (request) => Buffer.from(toBinary(HealthCheckRequestSchema, request)),
      (bytes) => fromBinary(HealthCheckResponseSchema, bytes),
      create(HealthCheckRequestSchema, { service }),
      { deadline: Date.now() + timeoutMs },
      (error, response) => {
        if (error !== null) resolve(failureOf(error, service, timeoutMs));
        else if (response?.status === ServingStatus.SERVING) resolve({ ok: true });
        else resolve(failed("GRPC_NOT_SERVING", `${nameOf(service)} is ${told(response?.status)}`));
      },
    );
  }).finally(() => client.close());
}

function failureOf(error: ServiceError, service: string, timeoutMs: number): Attempt {
  switch (error.code) {
    case status.DEADLINE_EXCEEDED:
      return failed("PROBE_TIMEOUT", `${METHOD} did not answer within ${timeoutMs} ms`);
    case status.NOT_FOUND:
      return failed("GRPC_NOT_SERVING", `${nameOf(service)} is not known to the gRPC server`);
    case status.UNIMPLEMENTED:
      return failed("GRPC_FAILED", "the gRPC server does not have grpc.health.v1.Health");
    default:
      return failed(
        error.details.includes("ECONNREFUSED") ? "PORT_CLOSED" : "GRPC_FAILED",
        `${METHOD}: ${status[error.code]}: ${error.details.slice(0, 200)}`,
      );
  }
}

function told(found: ServingStatus | undefined): string {
  const named = Object.entries(ServingStatus).find(([, value]) => value === found);
  return named?.[0] ?? "in an unknown state";
}

function nameOf(service: string): string {
  return service === "" ? "the gRPC server" : service;
}
