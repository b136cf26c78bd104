import { microsoftManagementSuite } from "./support/microsoft-management-suite.ts";
import { serveHub } from "./support/served-hub.ts";

microsoftManagementSuite("perdura serve", serveHub);
