import "./support/quiet.ts";
import { daprSdk } from "./support/dapr-sdk.ts";
import { foreignSdkSuite } from "./support/foreign-sdk-suite.ts";
import { serveWorkerThroughGateway } from "./support/worker-upstream.ts";

foreignSdkSuite(daprSdk, "a gateway before the Worker", serveWorkerThroughGateway);
