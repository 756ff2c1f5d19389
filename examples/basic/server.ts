/** Starts the example: `npm start`. Reads `.env.local` and `.env`; PORT (default 3000), TRUST_PROXY. */
import { once } from "node:events";
import { existsSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { close, KitError } from "express-redis-kit";
import { createApp } from "./app.ts";

/** A variable that is set already wins, so `.env.local` is read before `.env`. */
for (const file of [".env.local", ".env"]) {
  if (existsSync(file)) process.loadEnvFile(file);
}

async function start(): Promise<void> {
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
}

try {
  await start();
} catch (error) {
  process.stderr.write(`${error instanceof KitError ? error.message : String(error)}\n`);
  // Not only exitCode: where a later option is wrong, a connection is open already.
  process.exit(1);
}
