import "./support/quiet.ts";
import { foreignSdkSuite } from "./support/foreign-sdk-suite.ts";
import { microsoftSdk } from "./support/microsoft-sdk.ts";
import { serveHub } from "./support/served-hub.ts";

foreignSdkSuite(microsoftSdk, "perdura serve", serveHub);
