/** A TCP proxy on loopback that a test can delay, silence, truncate, cut and reset. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A proxy in front of one server. */
export interface TcpProxy {
  readonly port: number;
  /** Connections accepted so far. */
  accepted(): number;
  /** Connections open now. */
  open(): number;
  /** All that clients have sent so far. */
  sent(): string;
  /** Holds back what the server answers, on all connections, until `release`. */
  holdAnswers(): void;
  /**
   * Passes nothing on in either direction, as a cable that was pulled: all sockets stay open, and that
   * a side ends its own is not told to the other. New connections are accepted into it too. After
   * `release` all that was sent arrives, as it does once TCP sends it again.
   */
  blackHole(): void;
  /** Ends `holdAnswers` and `blackHole`. */
  release(): void;
  /** Passes answers on so many milliseconds late, each after the one before it; 0 ends it. */
  delayAnswers(ms: number): void;
  /** Passes only so many bytes of the next answer, then cuts that connection. */
  truncateNextAnswer(bytes: number): void;
  /** Refuses nothing, but connects new clients to the server only after this many milliseconds. */
  delayConnects(ms: number): void;
  /** Lets new connections lead to another port, as a name does that is given to another machine. */
  leadTo(port: number): void;
  /** Ends all connections: with FIN, or with RST as a crashed machine's kernel does. */
  cut(how?: "end" | "reset"): void;
  stop(): Promise<void>;
}

/** What happens to traffic now. */
interface Weather {
  connectDelay: number;
  answerDelay: number;
  isBlackHole: boolean;
  /** What answers wait for, while they are held. */
  held: (() => void)[] | undefined;
  truncateTo: number | undefined;
}

/** A client and the socket that stands for it at the server. */
interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  end(how?: "end" | "reset"): void;
}

/** Passes one answer on, as the weather lets it. */
function passAnswer(pair: Pair, bytes: Buffer, weather: Weather): void {
  if (weather.truncateTo !== undefined) {
    const few = bytes.subarray(0, weather.truncateTo);
    weather.truncateTo = undefined;
    pair.client.write(few, () => pair.end());
    return;
  }
  const pass = (): void => void pair.client.write(bytes);
  if (weather.held) weather.held.push(pass);
  // Timers of one length fire in their order, so answers stay in theirs.
  else if (weather.answerDelay > 0) setTimeout(pass, weather.answerDelay);
  else pass();
}

/** Starts a proxy in front of a port, or of a unix socket. */
export async function startProxy(to: { port: number } | { path: string }): Promise<TcpProxy> {
  const pairs = new Set<Pair>();
  const weather: Weather = {
    connectDelay: 0,
    answerDelay: 0,
    isBlackHole: false,
    held: undefined,
    truncateTo: undefined,
  };
  let target = to;
  let accepted = 0;
  let sent = "";

  const join = (client: Socket): void => {
    if (client.destroyed) return;
    const server = connect("path" in target ? target : { ...target, host: "127.0.0.1" });
    const pair: Pair = {
      client,
      server,
      end: (how = "end") => {
        pairs.delete(pair);
        if (how === "reset") client.resetAndDestroy();
        else client.destroy();
        server.destroy();
      },
    };
    pairs.add(pair);
    for (const socket of [client, server]) {
      socket.on("error", () => pair.end()).on("close", () => pair.end());
    }
    client.on("data", (bytes: Buffer) => {
      sent += bytes.toString("latin1");
      server.write(bytes);
    });
    server.on("data", (bytes: Buffer) => passAnswer(pair, bytes, weather));
    // A socket that is not read from does not see the other side's end either.
    if (weather.isBlackHole) for (const socket of [client, server]) socket.pause();
  };

  const listener = createServer((client) => {
    accepted += 1;
    client.on("error", () => client.destroy());
    if (weather.connectDelay === 0) join(client);
    else setTimeout(() => join(client), weather.connectDelay);
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const eachSocket = (work: (socket: Socket) => void): void => {
    for (const { client, server } of pairs) [client, server].forEach(work);
  };
  const cut = (how?: "end" | "reset"): void => {
    for (const pair of pairs) pair.end(how);
  };
  return {
    port: (listener.address() as { port: number }).port,
    accepted: () => accepted,
    open: () => pairs.size,
    sent: () => sent,
    holdAnswers: () => void (weather.held ??= []),
    blackHole: () => {
      weather.isBlackHole = true;
      eachSocket((socket) => void socket.pause());
    },
    release: () => {
      const answers = weather.held ?? [];
      weather.held = undefined;
      for (const answer of answers) answer();
      if (!weather.isBlackHole) return;
      weather.isBlackHole = false;
      eachSocket((socket) => void socket.resume());
    },
    delayAnswers: (ms) => void (weather.answerDelay = ms),
    truncateNextAnswer: (bytes) => void (weather.truncateTo = bytes),
    delayConnects: (ms) => void (weather.connectDelay = ms),
    leadTo: (port) => void (target = { port }),
    cut,
    stop: async () => {
      cut();
      const closed = once(listener, "close");
      listener.close();
      await closed;
    },
  };
}
