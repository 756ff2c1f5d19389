/** An app with nothing but a limiter: the port of its Redis, and the limiter's `onRedisError`. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import express from "express";
import { createKit, type RedisErrorPolicy } from "../../src/index.ts";

const [redisPort, onRedisError] = process.argv.slice(2);

function silent(): void {}

const kit = createKit({
  redis: `redis://127.0.0.1:${redisPort}`,
  logger: { info: silent, warn: silent, error: silent },
});
const app = express();
app.set("env", "test"); // Express's final handler prints errors otherwise.
app.use(
  kit.rateLimit({
    by: (req) => req.path.slice(1),
    limit: (req) => (req.path === "/over" ? 5 : 1_000_000),
    window: "1h",
    onRedisError: onRedisError as RedisErrorPolicy,
  }),
  (_req, res) => void res.send("ok"),
);
const server = app.listen(0, "127.0.0.1");
await once(server, "listening");
process.send?.((server.address() as AddressInfo).port);
