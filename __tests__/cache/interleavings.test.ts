import { expect, it } from "@jest/globals";
import * as fc from "fast-check";
import compression from "compression";
import cors from "cors";
import type { Request, RequestHandler } from "express";
import type { CacheOptions, Kit } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { makeKit, serve } from "../support/kit.ts";
import { type RawReply, send } from "../support/raw.ts";
import { EXPRESSES } from "../support/shells.ts";

/** The two who must not learn of one another, and somebody who is nobody. */
const PEOPLE = ["alice", "bob", "nobody"] as const;
type Person = (typeof PEOPLE)[number];

/** How a person shows who it is. */
const SIGNS = ["authorization", "api-key", "user", "session", "cookie", "late-session"] as const;
type Sign = (typeof SIGNS)[number];

const ROUTES: Record<string, CacheOptions> = {
  standard: {},
  user: { scope: "user" },
  tenant: { scope: (req: Request) => req.get("X-Tenant") },
  lenient: { ignoreCookies: ["theme", "sid", "late"] },
};

/** Answers with all that it knows about who is asking, in body and header. */
const personal: RequestHandler = (req, res) => {
  const { user } = req as Request & { user?: { id: string } };
  const known = {
    authorization: req.get("Authorization"),
    key: req.get("X-API-Key"),
    tenant: req.get("X-Tenant"),
    user: user?.id,
    // A handler that looks at the session is not stored; one that has no reason to, does not.
    session: /sid=|late=/.test(req.get("Cookie") ?? "") ? req.session.userId : undefined,
    cookie: /who=(\w+)/.exec(req.get("Cookie") ?? "")?.[1],
  };
  res.set("X-Known", JSON.stringify(known));
  if (String(req.params["id"]).endsWith("3")) res.cookie("seen", JSON.stringify(known));
  res.json({ known, filler: "x".repeat(2000) });
};

async function start(kit: Kit) {
  const { express } = EXPRESSES[0]!;
  const app = express();
  app.use(compression({ threshold: 0 }), cors({ origin: true, credentials: true }));
  app.use(kit.rateLimit({ limit: 1_000_000 }));
  app.use((req, _res, next) => {
    const id = req.get("X-User");
    if (id !== undefined) Object.assign(req, { user: { id } });
    next();
  });
  const early = express.Router();
  early.use(kit.session() as RequestHandler);
  early.get("/login/:who", async (req, res) => {
    await kit.login(req, req.params.who);
    res.sendStatus(204);
  });
  const lateSession = kit.session({ name: "late" }) as RequestHandler;
  app.get("/late-login/:who", lateSession, async (req, res) => {
    await kit.login(req, req.params.who as string);
    res.sendStatus(204);
  });
  for (const [name, options] of Object.entries(ROUTES)) {
    early.get(`/early/${name}/:id`, kit.cache(`early-${name}`, options), personal);
    app.get(`/late/${name}/:id`, kit.cache(`late-${name}`, options), lateSession, personal);
    app.get(`/bare/${name}/:id`, kit.cache(`bare-${name}`, options), fakeSession, personal);
  }
  app.use(early);
  return serve(app);
}

/** For routes without session(): what the handler reads is there, and empty. */
const fakeSession: RequestHandler = (req, _res, next) => {
  req.session ??= {} as typeof req.session;
  next();
};

interface Step {
  readonly person: Person;
  readonly signs: readonly Sign[];
  readonly id: number;
  readonly method: string;
  readonly extra: "" | "?x=1";
  readonly gzip: boolean;
}

const step: fc.Arbitrary<Step> = fc.record({
  person: fc.constantFrom(...PEOPLE),
  signs: fc.subarray([...SIGNS], { minLength: 1, maxLength: 2 }),
  id: fc.integer({ min: 1, max: 3 }),
  method: fc.constantFrom("GET", "GET", "GET", "HEAD"),
  extra: fc.constantFrom("", "", "", "?x=1"),
  gzip: fc.boolean(),
});

/** One route a round: then what one person leaves in it, the other one meets. */
const round = fc.record({
  stack: fc.constantFrom("early", "late", "bare"),
  route: fc.constantFrom(...Object.keys(ROUTES)),
  steps: fc.array(step, { minLength: 4, maxLength: 24 }),
});

function headersOf(
  { person, signs, gzip }: Step,
  route: string,
  sessions: Record<string, string>,
): Record<string, string> {
  const headers: Record<string, string> = { Origin: `https://${person}.test` };
  if (gzip) headers["Accept-Encoding"] = "gzip";
  if (person === "nobody") return headers;
  const cookies = ["theme=dark"];
  if (route === "tenant") headers["X-Tenant"] = person;
  if (signs.includes("authorization")) headers["Authorization"] = `Bearer ${person}`;
  if (signs.includes("api-key")) headers["X-API-Key"] = `key-${person}`;
  if (signs.includes("user")) headers["X-User"] = person;
  if (signs.includes("session")) cookies.push(sessions[`sid:${person}`]!);
  if (signs.includes("late-session")) cookies.push(sessions[`late:${person}`]!);
  if (signs.includes("cookie")) cookies.push(`who=${person}`);
  return { ...headers, Cookie: cookies.join("; ") };
}

/** All of a reply that could tell about somebody, decoded. */
async function contentOf({ headers, body }: RawReply): Promise<string> {
  const { gunzipSync } = await import("node:zlib");
  const isZipped = headers["content-encoding"] === "gzip" && body.length > 0;
  return JSON.stringify(headers) + (isZipped ? gunzipSync(body) : body).toString();
}

describeBackends("users A and B on one cache", (backend) => {
  it("learn nothing of one another in 300 random interleavings", async () => {
    const kit = makeKit({ ...backend.options(), secret: "s" });
    const url = await start(kit);
    const sessions: Record<string, string> = {};
    for (const person of ["alice", "bob"]) {
      for (const [name, path] of [
        ["sid", "login"],
        ["late", "late-login"],
      ]) {
        const user = `${person}-${name}`;
        const { headers } = await send(url, { path: `/${path}/${user}` });
        sessions[`${name}:${person}`] = headers["set-cookie"]![0]!.split(";", 1)[0]!;
      }
    }
    let hits = 0;
    let run = 0;
    await fc.assert(
      fc.asyncProperty(round, async ({ stack, route, steps }) => {
        // Cold each time: whoever comes first decides what is stored.
        run++;
        // In pairs: what runs side by side must not mix either.
        for (let index = 0; index < steps.length; index += 2) {
          const pair = steps.slice(index, index + 2);
          const replies = await Promise.all(
            pair.map((each) =>
              send(url, {
                path: `/${stack}/${route}/${run}-${each.id}${each.extra}`,
                method: each.method,
                headers: headersOf(each, route, sessions),
              }),
            ),
          );
          for (const [at, { person }] of pair.entries()) {
            const content = await contentOf(replies[at]!);
            expect(replies[at]!.status).toBe(200);
            for (const other of ["alice", "bob"]) {
              if (other !== person) expect(content).not.toContain(other);
            }
            hits += content.includes("express-redis-kit; hit") ? 1 : 0;
          }
        }
      }),
      { numRuns: 300 },
    );
    // It would be easy to leak nothing by caching nothing.
    expect(hits).toBeGreaterThan(50);
  }, 120_000);
});
