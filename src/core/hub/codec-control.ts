import {
  decodeEvents,
  decodeText,
  encodeEvent,
  encodeText,
  type PayloadCodec,
} from "../orchestration/payload-codec.ts";
import type { TaskHubControl } from "./backend.ts";
import type { OrchestrationMetadata } from "./metadata.ts";

/** A hub as a client sees it whose payloads are stored encoded: they are encoded on the way in and decoded on the way out. */
export function withCodec(hub: TaskHubControl, codec: PayloadCodec): TaskHubControl {
  const decoded = async (metadata: OrchestrationMetadata): Promise<OrchestrationMetadata> => {
    const [input, output, customStatus] = await Promise.all(
      [metadata.input, metadata.output, metadata.customStatus].map((text) => decodeText(codec, text)),
    );
    return {
      ...metadata,
      ...(input === undefined ? {} : { input }),
      ...(output === undefined ? {} : { output }),
      ...(customStatus === undefined ? {} : { customStatus }),
    };
  };
  return {
    createTaskHub: () => hub.createTaskHub(),
    deleteTaskHub: () => hub.deleteTaskHub(),
    createOrchestrationInstance: async (start, options) =>
      hub.createOrchestrationInstance(await encodeEvent(codec, start), options),
    addNewOrchestrationEvent: async (instanceId, event, options) =>
      hub.addNewOrchestrationEvent(instanceId, await encodeEvent(codec, event), options),
    getOrchestrationMetadata: async (instanceId, options) =>
      decoded(await hub.getOrchestrationMetadata(instanceId, options)),
    watchOrchestrationRuntimeStatus: async (instanceId, condition, options) =>
      decoded(await hub.watchOrchestrationRuntimeStatus(instanceId, condition, options)),
    purgeOrchestrationState: (instanceId, options) => hub.purgeOrchestrationState(instanceId, options),
    getInstanceHistory: async (instanceId) => decodeEvents(codec, await hub.getInstanceHistory(instanceId)),
    queryInstances: async (query) => {
      const page = await hub.queryInstances(query);
      return { ...page, instances: await Promise.all(page.instances.map(decoded)) };
    },
    listInstanceIds: (query) => hub.listInstanceIds(query),
    restart: (instanceId, options) => hub.restart(instanceId, options),
    rewind: (instanceId, reason) => hub.rewind(instanceId, reason),
    rerunWorkflowFromEvent: async (request) => {
      const input = await encodeText(codec, request.input);
      return hub.rerunWorkflowFromEvent({ ...request, ...(input === undefined ? {} : { input }) });
    },
  };
}
