import "./support/quiet.ts";
import { daprSdk } from "./support/dapr-sdk.ts";
import { foreignSdkSuite } from "./support/foreign-sdk-suite.ts";
import { serveHub } from "./support/served-hub.ts";

foreignSdkSuite(daprSdk, "perdura serve", serveHub);
