import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { describe, expect, it } from "@jest/globals";
import type { RequestHandler } from "express";
import type { CacheOptions } from "express-redis-kit";
import onHeaders from "on-headers";
import { describeBackends } from "../support/backends.ts";
import { type RawReply, textOf } from "../support/raw.ts";
import { until } from "../support/redis-server.ts";
import { type StalePage, type StaleParts, staleFor } from "../support/stale-page.ts";
import { type PageParts, tellPerson } from "../support/told-page.ts";

type Answer = NonNullable<PageParts["answer"]>;

/** A connection on which every byte is seen, whoever sends it. */
class Wire {
  text = "";
  isClosed = false;
  readonly #socket: Socket;

  constructor(url: string) {
    this.#socket = connect(Number(new URL(url).port), "127.0.0.1");
    this.#socket.on("data", (bytes) => (this.text += bytes.toString("latin1")));
    this.#socket.once("close", () => (this.isClosed = true));
    this.#socket.on("error", () => {});
  }

  /** Sends a request, and waits for the whole answer to it. */
  async ask(person: string, headers: readonly string[] = []): Promise<string> {
    const from = this.text.length;
    const lines = ["GET /page HTTP/1.1", "Host: site.test", `X-Person: ${person}`, ...headers];
    this.#socket.write(`${lines.join("\r\n")}\r\n\r\n`);
    const whole = (): boolean => {
      const [head, body] = this.text.slice(from).split(/\r\n\r\n([^]*)/);
      const length = /content-length: (\d+)/i.exec(head!)?.[1];
      if (body === undefined) return false;
      return length === undefined ? body.includes("0\r\n\r\n") : body.length >= Number(length);
    };
    await until(() => this.isClosed || whole(), "a whole answer");
    return this.text.slice(from);
  }

  async end(): Promise<void> {
    this.#socket.end();
    if (!this.isClosed) await once(this.#socket, "close");
  }
}

/** What a handler may do that must not be seen by anybody once its client has been answered. */
const REFRESHING: readonly [string, Answer][] = [
  ["json", tellPerson],
  ["pieces", (res, person) => (res.write("for "), res.write(person), res.end())],
  [
    "writeHead and flushHeaders",
    (res, person) => {
      res.writeHead(200, { "X-For": person });
      res.flushHeaders();
      res.end(person);
    },
  ],
  ["a cookie", (res, person) => void res.cookie("seen", person).send(person)],
  ["a redirect", (res, person) => res.redirect(302, `/${person}`)],
  [
    "an early hint",
    (res, person) => (res.writeEarlyHints({ link: `</${person}>; rel=preload` }), res.end(person)),
  ],
  ["a failure", (res, person) => void res.status(500).send(person)],
  [
    "a throw",
    (_res, person) => {
      throw new Error(person);
    },
  ],
  [
    "a throw after the first byte",
    (res, person) => {
      res.write(person);
      throw new Error(person);
    },
  ],
  ["a torn response", (res, person) => (res.write(person), void res.destroy())],
  [
    "trailers",
    (res, person) => (res.write(person), res.addTrailers({ "X-For": person }), res.end()),
  ],
  ["Connection: close", (res, person) => void res.set("Connection", "close").send(person)],
];

const lateCookie: RequestHandler = (req, res, next) => {
  const person = req.get("X-Person")!;
  onHeaders(res, () => res.setHeader("Set-Cookie", `late-${person}=1`));
  next();
};

/** Refreshes that nobody else may see the fruit of. */
const PERSONAL: readonly [string, PageParts][] = [
  ["sets a cookie", { answer: (res, person) => tellPerson(res.set("Set-Cookie", "a=1"), person) }],
  ["gets a late cookie from a middleware after the cache", { after: [lateCookie] }],
  [
    "is private",
    { answer: (res, person) => tellPerson(res.set("Cache-Control", "private"), person) },
  ],
  [
    "is not to be stored",
    { answer: (res, person) => tellPerson(res.set("Cache-Control", "no-store"), person) },
  ],
  ["varies", { answer: (res, person) => tellPerson(res.vary("X-Person"), person) }],
  ["fails", { answer: (res, person) => tellPerson(res.status(500), person) }],
  ["is forbidden", { answer: (res, person) => tellPerson(res.status(403), person) }],
  [
    "is too long",
    { options: { maxBytes: 60 }, answer: (res, person) => void res.send(person.padEnd(99)) },
  ],
];

describe("where an entry is stale", () => {
  describeBackends("cache()", (backend) => {
    const start = (parts: StaleParts, options?: CacheOptions): Promise<StalePage> =>
      staleFor(backend, parts, options);

    it.each(REFRESHING)(
      "its refresh writes nothing to whoever asked, nor to others: %s",
      async (_name, answer) => {
        const { page } = await start({ answer });
        page.hold(true);
        const wires = { alicia: new Wire(page.url), robert: new Wire(page.url) };
        for (const [person, wire] of Object.entries(wires)) {
          const text = await wire.ask(person);
          expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
          expect(text).toContain('{"for":"nobody"}');
          expect(text).toContain(`outer-${person}`);
        }
        await page.runs(2);
        expect(page.begun).toEqual(["nobody", "alicia"]);
        const before = [wires.alicia.text, wires.robert.text];
        page.letGo();
        // What the refresh had to write would stand before the next answers.
        await page.looked(3);
        expect([wires.alicia.text, wires.robert.text]).toEqual(before);
        page.hold(false);
        for (const [person, wire] of Object.entries(wires)) {
          const next = await wire.ask(person);
          expect(next).toMatch(/^HTTP\/1\.1 (200|302|500) /);
          expect(next.split("HTTP/1.1 ").length - 1).toBe(1);
          expect(next).toContain(`outer-${person}`);
          const others = person === "alicia" ? ["outer-robert"] : ["outer-alicia", "seen=alicia"];
          for (const other of others) expect(wire.text).not.toContain(other);
          await wire.end();
        }
      },
    );

    it.each(PERSONAL)("its refresh stays unseen where it %s", async (_name, parts) => {
      const { page, log } = await start(parts);
      const stale = await page.ask("alicia");
      expect(textOf(stale)).toBe('{"for":"nobody"}');
      expect(stale.headers["set-cookie"]).toBeUndefined();
      await page.runs(2);
      await log.settled(2);
      expect(log.events.findLast(({ outcome }) => /stored|refused/.test(outcome))!.outcome).toBe(
        "refused",
      );
      for (const person of ["robert", "carolina", "robert"]) {
        const reply = await page.ask(person);
        expect(JSON.stringify(reply.headers) + textOf(reply)).not.toContain("alicia");
        expect(reply.headers["x-request-id"]).toBe(`outer-${person}`);
      }
    });

    it("its refresh keeps what is the handler's, and nothing that stood before the cache", async () => {
      const { page, log } = await start({});
      const stale = await page.ask("alicia");
      expect(stale.headers["x-request-id"]).toBe("outer-alicia");
      expect(stale.headers["ratelimit"]).toBe('"api";r=outer-alicia');
      await log.settled(2);
      const hit = await page.ask("robert");
      expect(hit.headers["cache-status"]).toMatch(/; hit; ttl=\d/);
      // The scope is everybody's: what alicia's request rendered is robert's, too.
      expect(textOf(hit)).toBe('{"for":"alicia"}');
      expect(JSON.stringify(hit.headers)).not.toContain("outer-alicia");
      expect(hit.headers["x-request-id"]).toBe("outer-robert");
    });

    it("its refresh for one user is not for another one", async () => {
      const { page, log } = await start({}, { stale: "1h", scope: "user" });
      const ask = (person: string): Promise<RawReply> => page.ask(person, { "X-User": person });
      for (const person of ["alicia", "robert"]) {
        expect(textOf(await ask(person))).toBe(`{"for":"${person}"}`);
      }
      await log.settled(3);
      for (const person of ["alicia", "robert", "alicia", "robert"]) {
        expect(textOf(await ask(person))).toBe(`{"for":"${person}"}`);
      }
    });

    it("a personal request neither gets it, nor refreshes it", async () => {
      const { page } = await start({});
      const signs: Record<string, string>[] = [
        { Authorization: "Bearer alicia" },
        { "X-API-Key": "alicia" },
        { Cookie: "sid=alicia" },
        { "X-User": "alicia" },
      ];
      for (const headers of signs) {
        const runs = page.begun.length;
        const reply = await page.ask("alicia", headers);
        expect(textOf(reply)).toBe('{"for":"alicia"}');
        expect(page.begun).toHaveLength(runs + 1);
      }
      expect(textOf(await page.ask("robert"))).toBe('{"for":"nobody"}');
    });

    it("its refresh is not made for one whose own answer set a cookie", async () => {
      // As a middleware for CSRF tokens does with whoever has none yet.
      const token: RequestHandler = (req, res, next) => {
        const person = req.get("X-Person")!;
        if (person !== "nobody") res.cookie("csrf", `token-${person}`);
        res.locals["token"] = `token-${person}`;
        next();
      };
      const { page } = await start({
        before: [token],
        answer: (res) => tellPerson(res, res.locals["token"] as string),
      });
      const stale = await page.ask("alicia");
      expect(textOf(stale)).toBe('{"for":"nobody"}');
      expect(stale.headers["set-cookie"]).toEqual(["csrf=token-alicia; Path=/"]);
      for (let index = 0; index < 5; index++) {
        await page.looked(index + 2);
        expect(textOf(await page.ask("nobody"))).toMatch(/^\{"for":"(token-)?nobody"\}$/);
      }
    });

    it("its refresh begins nobody's session", async () => {
      let begun = 0;
      const { page } = await start(
        {
          session: true,
          answer: (res) => {
            const session = res.req.session as unknown as { csrf?: string };
            session.csrf ??= `token-${++begun}`;
            tellPerson(res, session.csrf);
          },
        },
        { stale: "1h", scope: "public" },
      );
      const stale = await page.ask("alicia");
      expect(textOf(stale)).toBe('{"for":"nobody"}');
      for (let index = 0; index < 5; index++) {
        await page.looked(index + 2);
        expect(textOf(await page.ask("robert"))).toBe('{"for":"nobody"}');
      }
    });

    it("a HEAD request does not refresh it with an empty body", async () => {
      const { page, log } = await start({});
      const head = await page.ask("alicia", {}, "HEAD");
      expect([head.status, textOf(head)]).toEqual([200, ""]);
      expect(head.headers["x-for"]).toBe("nobody");
      expect(textOf(await page.ask("robert"))).toMatch(/^\{"for":"(nobody|alicia)"\}$/);
      await until(
        () => log.outcomes().filter((outcome) => outcome === "stored").length >= 2,
        "it is refreshed",
      );
      expect(textOf(await page.ask("carolina"))).toMatch(/^\{"for":"(robert|alicia)"\}$/);
    });
  });
});
