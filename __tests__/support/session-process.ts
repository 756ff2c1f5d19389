/** The process that `session-processes.ts` starts: an app whose handlers wait between load and save. */
import { once } from "node:events";
import { createServer } from "node:http";
import express from "express";
import { createKit } from "../../src/index.ts";

const nowhere = { info: () => {}, warn: () => {}, error: () => {} };
const kit = createKit({
  redis: process.argv[2]!,
  secret: "a secret that both processes have",
  logger: nowhere,
  deadline: "20s",
  connectDeadline: "20s",
});

const app = express();
app.use(kit.session(), express.json());
app.post("/login", async (req, res) => {
  await kit.login(req, "7");
  res.end();
});
app.post("/logout", async (req, res) => {
  await kit.logout(req);
  res.end();
});
app.post("/set", (req, res) => {
  Object.assign(req.session, req.body);
  res.end();
});
app.post("/slow/:name", async (req, res) => {
  process.send!("loaded");
  await once(process, "message");
  Object.assign(req.session, { [req.params.name]: "written" });
  res.end();
});
app.get("/", (req, res) => {
  const { cookie: _cookie, ...data } = req.session;
  res.json(data);
});

const server = createServer(app as Parameters<typeof createServer>[1]);
server.listen(0, "127.0.0.1");
await once(server, "listening");
process.on("disconnect", () => process.exit()); // The tests' process is gone.
await kit.ready();
process.send!((server.address() as { port: number }).port);
