import "./support/quiet.ts";
import { daprWorkflowSdk } from "./support/dapr-workflow-sdk.ts";
import { daprWorkflowSuite } from "./support/dapr-workflow-suite.ts";
import { foreignSdkSuite } from "./support/foreign-sdk-suite.ts";
import { serveHub } from "./support/served-hub.ts";

daprWorkflowSuite("perdura serve", serveHub);
foreignSdkSuite(daprWorkflowSdk, "perdura serve", serveHub);
