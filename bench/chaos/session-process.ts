/** An app with nothing but sessions: the port of its Redis. One route for each kind of request. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import express, { type Request, type Response } from "express";
import { createKit } from "../../src/index.ts";

const [redisPort] = process.argv.slice(2);

function silent(): void {}

const kit = createKit({
  redis: `redis://127.0.0.1:${redisPort}`,
  secret: "for these benchmarks only",
  logger: { info: silent, warn: silent, error: silent },
});
const app = express();
app.set("trust proxy", 1);
app.set("env", "test"); // Express's final handler prints errors otherwise.
app.use(kit.session());

let writes = 0;

/** Another value each time: a session that did not change is not stored. */
function write(req: Request): void {
  writes += 1;
  Object.assign(req.session, { writes });
}

function tell(req: Request, res: Response): void {
  res.json({ id: req.sessionID, user: req.session.userId ?? null });
}

app.get(["/anonymous", "/read"], tell);
app.post(["/new", "/write"], (req, res) => {
  write(req);
  tell(req, res);
});
app.post("/stream", async (req, res) => {
  write(req);
  for (const piece of ["one, ", "two, ", "three"]) {
    res.write(piece);
    await nextTurn();
  }
  res.end();
});
app.post("/login/:user", async (req, res) => {
  await kit.login(req, req.params.user);
  res.sendStatus(204);
});
app.post("/logout", async (req, res) => {
  await kit.logout(req);
  res.sendStatus(204);
});

const server = app.listen(0, "127.0.0.1");
// A socket that is ended as idle just when a request comes in would look like an answer cut off.
server.keepAliveTimeout = 0;
await once(server, "listening");
process.send?.((server.address() as AddressInfo).port);
