/** Dapr's SDKs write every step to the console, and a worker that stops writes its own errors. */
import { vi } from "vitest";

for (const method of ["log", "info", "error"] as const) vi.spyOn(console, method).mockImplementation(() => undefined);
