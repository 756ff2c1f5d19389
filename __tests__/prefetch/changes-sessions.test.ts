/** A session that is ended between the first middleware and session() has ended before session() looks. */
import { expect, it } from "@jest/globals";
import type { Request } from "express";
import type { Kit, Middleware } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { createBetween } from "../support/between.ts";
import { makeKit } from "../support/kit.ts";
import { send } from "../support/raw.ts";
import { cookieOf } from "../support/session-app.ts";
import { serveStack, storyOf, type Stack, tellUser, userOf } from "../support/stack.ts";

/** What another request, or a job, does to the session of a request that is on its way. */
interface Scene {
  readonly kit: Kit;
  readonly cookie: string;
  /** Asks the same app past what comes in between. */
  readonly post: (as: string, cookie?: string) => ReturnType<Stack["ask"]>;
}

const ENDS: Readonly<Record<string, (scene: Scene) => Promise<unknown>>> = {
  "sessions.endAll()": ({ kit }) => kit.sessions.endAll("7"),
  "sessions.end()": async ({ kit }) => {
    const [session] = await kit.sessions.list("7");
    expect(await kit.sessions.end("7", session!.handle)).toBe(true);
  },
  "a logout by another request": ({ post, cookie }) => post("nobody", cookie),
  "a login elsewhere": ({ post }) => post("7"),
  "a login of another user by the same browser": ({ post, cookie }) => post("8", cookie),
  "a regenerated id": ({ post, cookie }) => post("regenerate", cookie),
};

const tellEnded: Middleware = (request, response, next) => {
  response.setHeader("X-Ended", (request as Request).sessionEnded?.reason ?? "");
  next();
};

/** Signs out, or changes the session's id, where the request says so. */
function leaving(kit: Kit): Middleware {
  return (incoming, response, next) => {
    const request = incoming as Request;
    const end = (error?: unknown): void => (error ? next(error) : void response.end());
    const as = request.headers["x-as"];
    if (as === "nobody") void kit.logout(request).then(() => end(), end);
    else if (as === "regenerate") request.session.regenerate(end);
    else next();
  };
}

describeBackends("on the way to session()", (backend) => {
  const start = async (deadline: number | string = "10s") => {
    const kit = makeKit({ ...backend.options(), deadline, secret: "s" });
    const between = createBetween();
    const session = kit.session();
    const stack = await serveStack(kit, [
      kit.rateLimit(),
      between.middleware,
      session,
      tellUser,
      tellEnded,
    ]);
    const other = await serveStack(kit, [session, leaving(kit)]);
    const post: Scene["post"] = (as, cookie = "") =>
      send(other.url, { path: "/login", method: "POST", headers: { "X-As": as, Cookie: cookie } });
    const cookie = await stack.signIn();
    await stack.warm(cookie);
    expect(storyOf(await stack.ask(cookie))).toBe("200 7 -");
    return { kit, between, cookie, post, ...stack };
  };

  it.each(Object.entries(ENDS))("%s: the request is nobody's", async (_name, end) => {
    const scene = await start();
    scene.between.next(() => end(scene));
    const reply = await scene.ask(scene.cookie);
    expect(storyOf(reply)).toBe("200 nobody -");
    const next = await scene.ask(scene.cookie);
    expect(storyOf(next)).toBe("200 nobody -");
    expect(reply.headers["x-ended"]).toBe(next.headers["x-ended"]);
  });

  it("what another request of the session wrote meanwhile is there, and a save loses none of it", async () => {
    const kit = makeKit({ ...backend.options(), deadline: "10s", secret: "s" });
    const between = createBetween();
    const session = kit.session();
    const writing = (name: string) => (request: object) => {
      const { session: data } = request as { session: Record<string, unknown> };
      data[name] = "written";
    };
    const other = await serveStack(kit, [
      session,
      (request, _response, next) => {
        if (request.method === "GET") writing("theirs")(request);
        next();
      },
    ]);
    const seen: unknown[] = [];
    const { ask, signIn, warm } = await serveStack(kit, [
      kit.rateLimit(),
      between.middleware,
      session,
      (request, _response, next) => {
        seen.push({ ...(request as unknown as { session: object }).session });
        if (userOf(request) !== undefined) writing("ours")(request);
        next();
      },
    ]);
    const cookie = await signIn();
    await warm(cookie);
    between.next(() => other.ask(cookie));
    await ask(cookie);
    expect(seen.at(-1)).toMatchObject({ userId: "7", ours: "written", theirs: "written" });
    await ask(cookie);
    expect(seen.at(-1)).toMatchObject({ userId: "7", ours: "written", theirs: "written" });
  });

  if (backend.name === "redis") {
    it("an end by another process, while the request took longer than an answer is good for", async () => {
      const { between, ask, cookie } = await start(500);
      const other = makeKit({ ...backend.options(), secret: "s" });
      other.session();
      between.next(async () => {
        expect(await other.sessions.endAll("7")).toBe(1);
        // That much time is the rule itself: the deadline and a second more.
        await new Promise((resolve) => void setTimeout(resolve, 1600));
      });
      expect(storyOf(await ask(cookie))).toBe("200 nobody -");
    });
  }

  it("a session that began meanwhile counts, where the middleware in between hands its cookie on", async () => {
    const { between, ask, post, cookie } = await start();
    between.next(async (request) => {
      request.headers.cookie = cookieOf(await post("9"));
    });
    expect(storyOf(await ask(cookie))).toBe("200 9 -");
    expect(storyOf(await ask(cookie))).toBe("200 7 -");
  });
});
