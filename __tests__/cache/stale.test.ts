import { describe, expect, it } from "@jest/globals";
import type { KitOptions } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { describeDeployments } from "../support/deployments.ts";
import { serveHeld } from "../support/held-app.ts";
import { makeKit } from "../support/kit.ts";
import { moveDate } from "../support/moved-date.ts";
import { textOf } from "../support/raw.ts";
import { until } from "../support/redis-server.ts";
import { SHELLS } from "../support/shells.ts";
import { cacheStatusOf, storePage } from "../support/stored-page.ts";

const PATIENT: KitOptions = { deadline: "10s", connectDeadline: "10s" };

describe.each(SHELLS)("a stale entry, under $name", (shell) => {
  describeBackends("cache()", (backend) => {
    it("is served at once to 100, while exactly one of them has it refreshed", async () => {
      const { kit, log, app } = await storePage(backend.options(), { shell });
      expect(await kit.cache.expire("page")).toBe(true);
      // The handler is held: whoever waited for it would not be answered.
      for (const reply of await app.askAll(100)) {
        expect([reply.status, textOf(reply)]).toEqual([200, "old"]);
        expect(reply.headers["x-version"]).toBe("old");
        expect(cacheStatusOf(reply)).toMatch(/^express-redis-kit; hit; ttl=-?\d+$/);
      }
      await app.called(2);
      expect(log.outcomes().filter((outcome) => outcome === "stale")).toHaveLength(100);
      expect(textOf(await app.ask())).toBe("old");
      expect(app.calls).toHaveLength(2);
      app.answer(1, (response) => {
        response.setHeader("X-Version", "new");
        response.end("new");
      });
      await log.settled(2);
      const next = await app.ask();
      expect([textOf(next), next.headers["x-version"]]).toEqual(["new", "new"]);
      expect(cacheStatusOf(next)).toMatch(/^express-redis-kit; hit; ttl=\d+$/);
      expect(app.calls).toHaveLength(2);
    });

    it("is refreshed whatever the handler answers with, and only its client sees nothing of it", async () => {
      const { kit, log, app } = await storePage(backend.options(), { shell });
      const versions = [
        (text: string) => app.answer(app.calls.length - 1, text),
        (text: string) =>
          app.answer(app.calls.length - 1, (response) => {
            response.writeHead(200, { "X-Version": text, "Content-Length": text.length });
            response.write(text.slice(0, 1));
            setImmediate(() => response.end(text.slice(1)));
          }),
        (text: string) =>
          app.answer(app.calls.length - 1, (response) => {
            response.flushHeaders();
            response.write(Buffer.from(text), () => response.end());
          }),
      ];
      let before = "old";
      for (const [index, answerWith] of versions.entries()) {
        await kit.cache.expire("page");
        expect(textOf(await app.ask())).toBe(before);
        await app.called(index + 2);
        before = `version ${index}`;
        answerWith(before);
        await log.settled(index + 2);
        expect(textOf(await app.ask())).toBe(before);
      }
      expect(app.calls).toHaveLength(versions.length + 1);
    });

    it("answers conditional requests and HEAD as a fresh one does", async () => {
      const { kit, app } = await storePage(backend.options(), { shell });
      const etag = (await app.ask()).headers.etag!;
      await kit.cache.expire("page");
      const conditional = await app.ask({ headers: { "If-None-Match": etag } });
      expect([conditional.status, textOf(conditional)]).toEqual([304, ""]);
      await kit.cache.expire("page");
      const head = await app.ask({ method: "HEAD" });
      expect([head.status, head.headers["content-length"], textOf(head)]).toEqual([200, "3", ""]);
      app.answerAll("new");
      await until(async () => textOf(await app.ask()) === "new", "it is refreshed");
    });
  });
});

describeDeployments("a stale entry of two instances", (options) => {
  it("is refreshed by one request in all", async () => {
    const { kit, log, app } = await storePage(options());
    const other = makeKit({ ...PATIENT, ...options() });
    await other.ready();
    if ((options().redis as unknown) === false) {
      // Each memory is its own: what the other one has is not stale, but missing.
      expect(await other.cache.expire("page")).toBe(false);
      return;
    }
    // One variant: both are asked under one name.
    const second = await serveHeld([other.cache("page", { stale: "5m" })], SHELLS[0]!.listener);
    const headers = { Host: "one.test" };
    const warm = app.ask({ headers });
    await app.called(2);
    app.answer(1, "old");
    await warm;
    await log.settled(2);
    await kit.cache.expire("page");
    const replies = await Promise.all([
      app.askAll(50, { headers }),
      second.askAll(50, { headers }),
    ]);
    for (const reply of replies.flat()) expect(textOf(reply)).toBe("old");
    await until(() => app.calls.length - 2 + second.calls.length > 0, "one refreshes");
    app.answerAll("new");
    second.answerAll("new");
    await until(async () => textOf(await second.ask({ headers })) === "new", "it is refreshed");
    expect(textOf(await app.ask({ headers }))).toBe("new");
    expect(app.calls.length - 2 + second.calls.length).toBe(1);
  });
});

describeBackends("the times of an entry", (backend) => {
  const date = moveDate();

  it("are fresh, then stale, then over", async () => {
    const { app, log } = await storePage(backend.options(), {
      cache: { ttl: "10s", stale: "30s" },
    });
    date.forward(8000);
    expect(cacheStatusOf(await app.ask())).toMatch(/; hit; ttl=\d/);
    date.forward(4000); // Past a ttl that is 10 % longer.
    const stale = await app.ask();
    expect(cacheStatusOf(stale)).toMatch(/; hit; ttl=-[123]$/);
    expect(Number(stale.headers["age"])).toBeGreaterThanOrEqual(12);
    expect(textOf(stale)).toBe("old");
    await app.called(2);
    app.answer(1, "new");
    await log.settled(2);
    expect(textOf(await app.ask())).toBe("new");
    date.forward(45_000);
    const over = app.ask();
    await app.called(3);
    app.answer(2, "newest");
    expect(textOf(await over)).toBe("newest");
    expect(cacheStatusOf(await over)).toMatch(/^express-redis-kit; fwd=(miss|stale); stored$/);
  });

  it("without `stale` are fresh, then over", async () => {
    const { app } = await storePage(backend.options(), { cache: { ttl: "10s" } });
    date.forward(12_000);
    const over = app.ask();
    await app.called(2);
    app.answer(1, "new");
    expect(textOf(await over)).toBe("new");
  });

  it("are jittered by 10 % at most", async () => {
    for (let round = 0; round < 20; round++) {
      const { app } = await storePage({ redis: false }, { cache: { ttl: "100s" } });
      const [, ttl] = /ttl=(\d+)/.exec(cacheStatusOf(await app.ask()))!;
      expect(Number(ttl)).toBeGreaterThanOrEqual(89);
      expect(Number(ttl)).toBeLessThanOrEqual(110);
    }
  });
});

describeBackends("real time", (backend) => {
  it("makes an entry stale after its ttl", async () => {
    const { app, log } = await storePage(backend.options(), { cache: { ttl: 300, stale: "60s" } });
    await until(async () => /ttl=-/.test(cacheStatusOf(await app.ask())), "it is stale");
    await app.called(2);
    app.answer(1, "new");
    await log.settled(2);
    expect(textOf(await app.ask())).toBe("new");
  });
});
