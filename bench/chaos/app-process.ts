/** One app in a process of its own: `bare`, `kit` or `hand-wired`, and the port of its Redis. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { bareApp, handWiredApp, kitApp } from "./apps.ts";

const [kind, redisPort] = process.argv.slice(2);
const makers = { bare: bareApp, kit: kitApp, "hand-wired": handWiredApp };
const app = await makers[kind as keyof typeof makers](Number(redisPort));
const server = app.listen(0, "127.0.0.1");
await once(server, "listening");
process.send?.((server.address() as AddressInfo).port);
