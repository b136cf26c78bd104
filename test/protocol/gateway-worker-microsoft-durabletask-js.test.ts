import "./support/quiet.ts";
import { foreignSdkSuite } from "./support/foreign-sdk-suite.ts";
import { microsoftSdk } from "./support/microsoft-sdk.ts";
import { serveWorkerThroughGateway } from "./support/worker-upstream.ts";

foreignSdkSuite(microsoftSdk, "a gateway before the Worker", serveWorkerThroughGateway);
