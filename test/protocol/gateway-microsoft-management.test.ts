import { serveThroughGateway } from "./support/fetch-upstream.ts";
import { microsoftManagementSuite } from "./support/microsoft-management-suite.ts";

microsoftManagementSuite("a gateway before fetch", serveThroughGateway);
