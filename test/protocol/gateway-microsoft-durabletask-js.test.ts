import "./support/quiet.ts";
import { serveThroughGateway } from "./support/fetch-upstream.ts";
import { foreignSdkSuite } from "./support/foreign-sdk-suite.ts";
import { microsoftSdk } from "./support/microsoft-sdk.ts";

foreignSdkSuite(microsoftSdk, "a gateway before fetch", serveThroughGateway);
