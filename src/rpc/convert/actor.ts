import { create, type MessageShape } from "@bufbuild/protobuf";
import {
  ActorSchema,
  AgentRefSchema,
  IssueRefSchema,
} from "../../../gen/workspace/runtime/v1/operation_pb.ts";
import type { Actor, AgentRef, IssueRef } from "../../model/workspace.ts";
import { present } from "./present.ts";

type ActorMessage = MessageShape<typeof ActorSchema>;
type AgentMessage = MessageShape<typeof AgentRefSchema>;
type IssueMessage = MessageShape<typeof IssueRefSchema>;

export function actorFromMessage(message: ActorMessage | undefined): Actor | undefined {
  return (
    message &&
    present({
      runId: message.runId,
      userId: message.userId,
      agent: agentFromMessage(message.agent),
    })
  );
}

export function actorToMessage(actor: Actor): ActorMessage {
  return create(ActorSchema, {
    runId: actor.runId,
    userId: actor.userId,
    agent: actor.agent && agentToMessage(actor.agent),
  });
}

export function agentFromMessage(message: AgentMessage | undefined): AgentRef | undefined {
  return message && { agentId: message.agentId, name: message.name };
}

export function agentToMessage(agent: AgentRef): AgentMessage {
  return create(AgentRefSchema, { agentId: agent.agentId, name: agent.name });
}

export function issueFromMessage(message: IssueMessage | undefined): IssueRef | undefined {
  return (
    message && { issueId: message.issueId, identifier: message.identifier, title: message.title }
  );
}

export function issueToMessage(issue: IssueRef): IssueMessage {
  return create(IssueRefSchema, {
    issueId: issue.issueId,
    identifier: issue.identifier,
    title: issue.title,
  });
}
