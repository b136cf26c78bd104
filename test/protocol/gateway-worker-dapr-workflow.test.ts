import "./support/quiet.ts";
import { daprWorkflowSdk } from "./support/dapr-workflow-sdk.ts";
import { daprWorkflowSuite } from "./support/dapr-workflow-suite.ts";
import { foreignSdkSuite } from "./support/foreign-sdk-suite.ts";
import { serveWorkerThroughGateway } from "./support/worker-upstream.ts";

daprWorkflowSuite("a gateway before the Worker", serveWorkerThroughGateway);
foreignSdkSuite(daprWorkflowSdk, "a gateway before the Worker", serveWorkerThroughGateway);
