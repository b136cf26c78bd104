import "./support/quiet.ts";
import { foreignSdkSuite } from "./support/foreign-sdk-suite.ts";
import { microsoftSdk } from "./support/microsoft-sdk.ts";

foreignSdkSuite(microsoftSdk);
