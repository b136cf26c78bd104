/** The Worker that the tests of this folder run inside: an object class with the test registry, and the index. */
import { orchestrationObject } from "../../src/backends/durable-object/index.ts";
import { defaultLogger } from "../../src/core/index.ts";
import { testRegistry } from "./registry.ts";

export { HubIndexObject } from "../../src/backends/durable-object/index.ts";

export const OrchestrationObject = orchestrationObject({ registry: testRegistry(), logger: defaultLogger("error") });

export default { fetch: (): Response => new Response("perdura tests") };
