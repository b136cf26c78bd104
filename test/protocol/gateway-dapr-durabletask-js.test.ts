import "./support/quiet.ts";
import { daprSdk } from "./support/dapr-sdk.ts";
import { serveThroughGateway } from "./support/fetch-upstream.ts";
import { foreignSdkSuite } from "./support/foreign-sdk-suite.ts";

foreignSdkSuite(daprSdk, "a gateway before fetch", serveThroughGateway);
