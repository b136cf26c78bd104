/** The Worker that the tests of this folder run inside. */
import { DurableObject } from "cloudflare:workers";
import { orchestrationObject, type TaskHubBindings } from "../../src/backends/durable-object/index.ts";
import { defaultLogger, silentLogger } from "../../src/core/index.ts";
import { CONTRACT_MAX_PAYLOAD_BYTES, contractRegistry } from "../../src/testing/index.ts";
import { contractRecorder } from "./contract-recorder.ts";
import { testRegistry } from "./registry.ts";

export { HubIndexObject } from "../../src/backends/durable-object/index.ts";

export const OrchestrationObject = orchestrationObject({ registry: testRegistry(), logger: defaultLogger("error") });

const contract = {
  registry: contractRegistry({ recorder: contractRecorder }),
  logger: silentLogger(),
  maxPayloadBytes: CONTRACT_MAX_PAYLOAD_BYTES,
};

interface ContractEnvironment {
  readonly KEPT: DurableObjectNamespace;
  readonly EVICTED: DurableObjectNamespace;
  readonly HUB_INDEX: DurableObjectNamespace;
}

/** The hub whose objects keep live orchestrators between turns. */
export const keptBindings = (env: unknown): TaskHubBindings => {
  const { KEPT, HUB_INDEX } = env as ContractEnvironment;
  return { ORCHESTRATIONS: KEPT, HUB_INDEX };
};

/** The hub whose objects replay every turn. */
export const evictedBindings = (env: unknown): TaskHubBindings => {
  const { EVICTED, HUB_INDEX } = env as ContractEnvironment;
  return { ORCHESTRATIONS: EVICTED, HUB_INDEX };
};

export const KeptObject = orchestrationObject({ ...contract, bindings: keptBindings });
export const EvictedObject = orchestrationObject({ ...contract, cacheSize: 0, bindings: evictedBindings });

/** Storage and an alarm, and nothing else: the suite builds backends over it. */
export class BareObject extends DurableObject {
  override async alarm(): Promise<void> {
    // The suite wakes by timers of the process.
  }
}

export default { fetch: (): Response => new Response("perdura tests") };
