import { create } from "@bufbuild/protobuf";
import { InstanceNotCompletedError, InvalidArgumentError } from "../errors.ts";
import { executionStarted } from "../protocol/events.ts";
import {
  CreateOrchestrationAction,
  OrchestrationIdReusePolicySchema,
  OrchestrationStatus,
} from "../protocol/gen/perdura/model/v1/history_pb.ts";
import type { RestartOptions, TaskHubControl } from "./backend.ts";
import { orchestrationMetadataIsComplete } from "./metadata.ts";

/** States that a restart may replace. */
const ENDED = [
  OrchestrationStatus.COMPLETED,
  OrchestrationStatus.FAILED,
  OrchestrationStatus.TERMINATED,
  OrchestrationStatus.CANCELED,
];

/** Starts an ended instance over, with the input, name, version and tags of its last generation. */
export async function restartInstance(
  hub: TaskHubControl,
  instanceId: string,
  options: RestartOptions,
  environment: { readonly nowMs: number; readonly ids: { uuid(): string } },
): Promise<string> {
  const old = await hub.getOrchestrationMetadata(instanceId);
  if (!orchestrationMetadataIsComplete(old)) throw new InstanceNotCompletedError(instanceId);
  const target = options.newInstanceId ?? instanceId;
  if (options.newInstanceId === instanceId) {
    throw new InvalidArgumentError("newInstanceId is the old id: leave it out to restart under the same id");
  }
  const start = executionStarted(
    {
      name: old.name,
      version: old.version,
      input: old.input,
      tags: { ...old.tags },
      instanceId: target,
      executionId: environment.ids.uuid().replaceAll("-", ""),
    },
    environment.nowMs,
  );
  const reusePolicy = create(OrchestrationIdReusePolicySchema, {
    operationStatus: ENDED,
    action: CreateOrchestrationAction.TERMINATE,
  });
  await hub.createOrchestrationInstance(start, target === instanceId ? { reusePolicy } : {});
  return target;
}
