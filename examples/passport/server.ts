/** Starts the example: `npx tsx examples/passport/server.ts`. PORT (default 3000), REDIS_URL. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { close } from "express-redis-kit";
import { createApp } from "./app.ts";

const server = createApp().listen(Number(process.env["PORT"] ?? 3000), "127.0.0.1");
await once(server, "listening");
const { port } = server.address() as AddressInfo;
process.stdout.write(`listening on http://127.0.0.1:${port}\n`);

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    server.close(() => void close());
    server.closeAllConnections();
  });
}
