// A connection with the sidecar through `greenloop aid connect`, which starts it, and stays over its restarts.
// Nothing of VS Code is known here. What the bridge cannot hide (its own end) is mended by starting it anew.
import { type ChildProcess, spawn } from "node:child_process";
import { type CancellationToken, createMessageConnection, type MessageConnection, ResponseError, StreamMessageReader, StreamMessageWriter } from "vscode-jsonrpc/node";
import { type Approval, type ApprovalRequest, type Fault, type News, type Notes, PROTOCOL, type Requests } from "./protocol.js";

/** An error by its name: what happened, and the way out. */
export class Faulty extends Error {
  constructor(readonly fault: Fault) {
    super(fault.message);
  }
}

/** Words for a notification, in which VS Code makes links and commands of what looks so: a model or a tool may have written them. */
export const plain = (text: string): string => text.replaceAll("](", "] (");
/** Whatever was thrown, as a fault. */
export function faultOf(error: unknown): Fault {
  if (error instanceof Faulty) return error.fault;
  if (error instanceof ResponseError) {
    const data = error.data as Partial<Fault> | undefined;
    return { code: data?.code ?? "internal", message: data?.message ?? error.message, way_out: data?.way_out ?? "" };
  }
  return { code: "internal", message: error instanceof Error ? error.message : String(error), way_out: "" };
}

const LOST: Fault = { code: "sidecar-restarted", message: "The connection with Greenloop's sidecar ended.", way_out: "ask again" };

export interface Listener {
  news<K extends keyof News>(method: K, params: News[K]): void;
  approve(asked: ApprovalRequest, token: CancellationToken): Promise<Approval>;
  /** The connection ended: turns in flight are over, and workspaces have to be opened anew. */
  lost(fault: Fault): void;
}

const NEWS: (keyof News)[] = ["status/changed", "turn/progress", "turn/delta", "turn/candidate", "turn/ended"];

export class Sidecar {
  private opening: Promise<MessageConnection> | undefined;
  private bridge: ChildProcess | undefined;
  private closed = false;

  /** `command`: what starts Greenloop, read anew for each start. */
  constructor(private readonly command: () => readonly string[], private readonly version: string, private readonly listener: Listener) {}

  /** Ask the sidecar, which is started if need be. Throws `Faulty`. */
  async request<K extends keyof Requests>(method: K, params: Requests[K][0], token?: CancellationToken): Promise<Requests[K][1]> {
    const connection = await this.connected();
    try {
      return await (token ? connection.sendRequest(method, params, token) : connection.sendRequest(method, params));
    } catch (error) {
      // what the library says of a connection that ended under a request is for programmers
      throw new Faulty(error instanceof ResponseError && error.data ? faultOf(error) : this.opening ? faultOf(error) : LOST);
    }
  }

  /** Tell it, if there is a connection; what is told is a hint. */
  async tell<K extends keyof Notes>(method: K, params: Notes[K]): Promise<void> {
    const connection = await this.opening?.catch(() => undefined);
    await connection?.sendNotification(method, params).catch(() => undefined);
  }

  dispose(): void {
    this.closed = true;
    this.bridge?.stdin?.end();
  }

  private connected(): Promise<MessageConnection> {
    return (this.opening ??= this.connect().catch((error: unknown) => {
      this.opening = undefined;
      throw error;
    }));
  }

  private async connect(): Promise<MessageConnection> {
    const [program = "greenloop", ...rest] = this.command();
    const bridge = spawn(program, [...rest, "aid", "connect"], { stdio: ["pipe", "pipe", "pipe"] });
    this.bridge = bridge;
    let said = "";
    bridge.stderr.on("data", (data: Buffer) => (said = (said + data.toString()).slice(-2000)));
    const ended = new Promise<Fault>((resolve) => {
      bridge.on("error", (error) => resolve({
        code: "sidecar-unreachable", message: `${program} cannot be started: ${error.message}.`,
        way_out: "install Greenloop, or name its program in the setting greenloop.command",
      }));
      bridge.on("close", () => resolve(said.trim() ? { code: "sidecar-unreachable", message: said.trim(), way_out: "" } : LOST));
    });
    bridge.stdin.on("error", () => undefined); // its end is told by `close`
    const connection = createMessageConnection(new StreamMessageReader(bridge.stdout), new StreamMessageWriter(bridge.stdin));
    for (const method of NEWS) connection.onNotification(method, (params) => this.listener.news(method, params));
    connection.onRequest("approval/request", (asked: ApprovalRequest, token) => this.listener.approve(asked, token));
    connection.onError(() => undefined);
    connection.listen();
    let introduced = false;
    const lost = ended.then((fault) => {
      if (this.bridge === bridge) this.opening = undefined;
      connection.dispose();
      // without an introduction whoever asked is told
      if (introduced && !this.closed) this.listener.lost(fault);
      throw new Faulty(fault);
    });
    const introduction = connection.sendRequest("initialize", {
      client: "vscode", version: this.version, protocol: PROTOCOL, encoding: "utf-16", can_approve: true,
    }).catch(async (error: unknown) => {
      // an answer is told as it is; without one the bridge says why it ended
      if (error instanceof ResponseError && error.data) throw new Faulty(faultOf(error));
      return lost;
    });
    lost.catch(() => undefined);
    await Promise.race([introduction, lost]);
    introduced = true;
    return connection;
  }
}
