/** The whole stack on one route: limiter, session, guard, cache; and the ways in and out of it. */
import express, { type NextFunction, type Request, type Response } from "express";
import type { RequestListener } from "node:http";
import { createKit, type Kit } from "../../src/index.ts";
import { SECRET } from "./people.ts";

/** So many that no one is refused; what is counted and kept is the same. */
const ENOUGH = 1_000_000_000;

/** Longer than the longest run, so that what was stored for it is there until its end. */
const LIFETIME = "6h";

/** Of a command, in milliseconds: longer than the standard, as a machine that is busy for a moment is not what is looked for. */
export const DEADLINE = 1000;

function silent(): void {}

/** A kit as in production, whose words nobody reads. */
export async function openKit(redisPort: number): Promise<Kit> {
  const logger = { info: silent, warn: silent, error: silent };
  const kit = createKit({
    redis: `redis://127.0.0.1:${redisPort}`,
    secret: SECRET,
    logger,
    deadline: DEADLINE,
  });
  await kit.ready();
  return kit;
}

function requireMember(req: Request, res: Response, next: NextFunction): void {
  if (req.session.userId === undefined) res.sendStatus(401);
  else next();
}

/** About 300 bytes, and the same for the same brand. */
function settingsOf(id: string): object {
  return { id, theme: { color: "#336699", font: "serif" }, text: "x".repeat(220) };
}

/** Makes the app. */
export function createApp(kit: Kit): RequestListener {
  const app = express().set("trust proxy", 1);
  // Refuses everybody, which is remembered of each.
  app.get("/refused", kit.rateLimit({ type: "refused", limit: 0, window: "1h" }));
  app.use(kit.rateLimit({ limit: ENOUGH }), kit.session());
  app.get(
    "/brands/:id/settings",
    requireMember,
    kit.cache("brand:settings", { scope: "public", ttl: LIFETIME }),
    (req: Request<{ id: string }>, res) => {
      const { id } = req.params;
      // An ETag of the brand's own, so that one brand's entry can be made of another's.
      res.set("ETag", `"${id}"`).json(settingsOf(id));
    },
  );
  app.put(
    "/brands/:id/settings",
    requireMember,
    kit.cache.purges("brand:settings"),
    (_req, res) => void res.sendStatus(204),
  );
  app.post("/login/:user", async (req, res) => {
    await kit.login(req, req.params.user);
    res.sendStatus(204);
  });
  app.post("/logout", async (req, res) => {
    await kit.logout(req);
    res.sendStatus(204);
  });
  // Express would print each error; the benchmark counts their answers.
  app.use((error: { status?: number }, _req: Request, res: Response, _next: NextFunction) => {
    if (res.headersSent) res.destroy();
    else res.sendStatus(error.status ?? 500);
  });
  return app;
}
