/** The whole function: Vercel calls the default export with each request, as node:http would. */
import { waitUntil } from "@vercel/functions";
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from "express";
import { createKit, type Kit, KitError } from "express-redis-kit";

/**
 * Made at an instance's cold start, and reused by all of its requests. The environment decides whether it
 * speaks REST or TCP; only TCP needs `waitUntil`. Exported for what has to end it, such as a test.
 */
export const kit: Kit = createKit({ waitUntil });

/** Stand for a database; they die with the instance, which no database does. */
const PASSWORDS = new Map([
  ["demo", "demo"],
  ["ada", "ada"],
]);
const colors = new Map<string, string>();

const requireUser: RequestHandler = (req, res, next) => {
  if (req.session.userId === undefined) res.status(401).json({ error: "anonymous" });
  else next();
};

/** The log is for the developer; a stranger gets the code alone. */
const answerKitError: ErrorRequestHandler = (error, _req, res, next) => {
  if (!(error instanceof KitError) || res.headersSent) {
    next(error);
    return;
  }
  console.error(error);
  res.status(error.status).set(error.headers).json({ error: error.code });
};

const app: Express = express();
// One hop, Vercel's edge. It overwrites X-Forwarded-For with the one address that it saw, and sends
// X-Forwarded-Proto: without this line all clients share one limit, and no Secure cookie can be set.
app.set("trust proxy", 1);
app.use(kit.security(), kit.rateLimit(), kit.session(), express.json());

app.get("/hello", (req, res) => {
  res.json({ hello: req.session.userId ?? "stranger" });
});

app.post("/login", kit.rateLimit("auth"), async (req, res) => {
  const { username, password } = (req.body ?? {}) as { username?: unknown; password?: unknown };
  if (typeof username !== "string" || PASSWORDS.get(username) !== password) {
    res.status(401).json({ error: "wrong user name or password" });
    return;
  }
  await kit.login(req, username);
  res.json({ user: username });
});
app.post("/logout", async (req, res) => {
  await kit.logout(req);
  res.sendStatus(204);
});

app.get("/brands/:id/settings", kit.cache("brand:settings", { scope: "public" }), (req, res) => {
  const { id } = req.params;
  res.json({ id, color: colors.get(id) ?? "teal" });
});
app.put("/brands/:id/settings", requireUser, kit.cache.purges("brand:settings"), (req, res) => {
  const { color } = (req.body ?? {}) as { color?: unknown };
  colors.set(String(req.params["id"]), String(color));
  res.sendStatus(204);
});

app.get("/health", async (_req, res) => {
  const report = await kit.health();
  res.status(report.status === "down" ? 503 : 200).json(report);
});

app.use(answerKitError);

// oxlint-disable-next-line import/no-default-export -- the Node.js runtime looks for it
export default app;
