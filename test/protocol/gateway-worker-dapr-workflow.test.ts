import "./support/quiet.ts";
import { daprWorkflowSuite } from "./support/dapr-workflow-suite.ts";
import { serveWorkerThroughGateway } from "./support/worker-upstream.ts";

daprWorkflowSuite("a gateway before the Worker", serveWorkerThroughGateway);
