import "./support/quiet.ts";
import { daprWorkflowSuite } from "./support/dapr-workflow-suite.ts";
import { serveThroughGateway } from "./support/fetch-upstream.ts";

daprWorkflowSuite("a gateway before fetch", serveThroughGateway);
