import "./support/quiet.ts";
import { daprWorkflowSuite } from "./support/dapr-workflow-suite.ts";
import { serveHub } from "./support/served-hub.ts";

daprWorkflowSuite("perdura serve", serveHub);
