/** A route that signs a user in, and a client that goes there. */
import type { Express } from "express";
import type { Kit } from "express-redis-kit";
import { send } from "./raw.ts";

/** Adds `GET /login`, which answers the new session's id. */
export function addLogin(app: Express, kit: Kit): void {
  app.get("/login", async (req, res) => {
    await kit.login(req, "ada");
    res.end(req.sessionID);
  });
}

/** Signs in anew, as another browser would. */
export async function signInAt(url: string): Promise<{ id: string; cookie: string }> {
  const { headers, body } = await send(`${url}/login`);
  return { id: body.toString(), cookie: headers["set-cookie"]![0]!.split(";")[0]! };
}
