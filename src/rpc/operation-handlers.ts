import { create } from "@bufbuild/protobuf";
import {
  CancelOperationRequestSchema,
  CancelOperationResponseSchema,
  GetOperationRequestSchema,
  GetOperationResponseSchema,
  ListOperationsRequestSchema,
  ListOperationsResponseSchema,
} from "../../gen/workspace/runtime/v1/operation_pb.ts";
import type { Operations } from "../operations/operations.ts";
import { operationStatusesFromValues, operationToMessage } from "./convert/operation.ts";
import type { Handlers } from "./handlers.ts";
import { type CursorAt, pageFields, pageRequest } from "./pages.ts";
import { validateRequest } from "./validate.ts";

type OperationHandlers = Pick<Handlers, "getOperation" | "listOperations" | "cancelOperation">;

export function createOperationHandlers(
  operations: Pick<Operations, "get" | "list" | "cancel">,
  cursorAt: CursorAt,
): OperationHandlers {
  return {
    async getOperation(request) {
      validateRequest(GetOperationRequestSchema, request, ["operation_id"]);
      const operation = await operations.get(request.operationId);
      return create(GetOperationResponseSchema, { operation: operationToMessage(operation) });
    },

    async listOperations(request) {
      validateRequest(ListOperationsRequestSchema, request);
      const page = await operations.list(
        {
          companyId: request.companyId,
          workspaceIds: request.workspaceIds,
          runIds: request.runIds,
          statuses: operationStatusesFromValues(request.statuses),
        },
        pageRequest(request),
      );
      return create(ListOperationsResponseSchema, {
        operations: page.items.map(operationToMessage),
        ...pageFields(page, cursorAt),
      });
    },

    async cancelOperation(request) {
      validateRequest(CancelOperationRequestSchema, request, ["operation_id"]);
      const operation = await operations.cancel(request.operationId);
      return create(CancelOperationResponseSchema, { operation: operationToMessage(operation) });
    },
  };
}
