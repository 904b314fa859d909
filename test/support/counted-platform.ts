import { runInDurableObject } from "cloudflare:test";
import { vi } from "vitest";
import { nothing, sum, type Column, type Operations } from "../../bench/cost/operations.ts";

type Stub = DurableObjectStub & Record<string, (request: unknown) => Promise<unknown>>;
type Cursor = SqlStorageCursor<Record<string, SqlStorageValue>>;
/** An object that is counted, and the statements that it ran since they were counted last. */
type Instrumented = { binding: string; stub: Stub; cursors: Cursor[]; alarmsSet: number };

/** A queue operation is counted for each 64 KB, with about 100 bytes of the queue's own. */
const QUEUE_CHUNK_BYTES = 64_000;
const QUEUE_OWN_BYTES = 100;

/**
 * Bindings that count what Cloudflare bills: at the binding for D1, KV, queues and requests of
 * objects, inside the object for its rows. Everything goes on to the real ones.
 */
export class CountedPlatform {
  #counted: Operations = { ...nothing };
  readonly #requests = new Map<string, number>();
  readonly #objects = new Map<string, Instrumented>();
  #underWay = 0;
  /** Statements of D1: a batch is one round trip, and as many of these. */
  d1Statements = 0;

  constructor() {
    for (const level of ["info", "warn", "error"] as const) {
      vi.spyOn(console, level).mockImplementation(() => this.add("logLines", 1));
    }
  }

  add(column: Column, by: number): void {
    this.#counted[column] += by;
  }

  /**
   * What was counted since the last call.
   *
   * @param of the requests of objects that count, as `BINDING.method`; the rows that count are
   *   those of these bindings
   */
  async take(of: readonly string[] = []): Promise<Operations> {
    await this.settled();
    const byBinding = await this.#takeRows();
    const counted = this.#counted;
    const bindings = new Set(of.map((request) => request.split(".")[0] ?? ""));
    const objectRequests = of.reduce((total, request) => total + this.asked(request), 0);
    this.#requests.clear();
    this.#counted = { ...nothing };
    return sum(
      { ...counted, objectRequests },
      ...[...bindings].map((binding) => byBinding.get(binding) ?? nothing),
    );
  }

  /** What objects did for each of these requests since the last call, and nothing else. */
  async takeEach(requests: readonly string[]): Promise<Operations[]> {
    await this.settled();
    const byBinding = await this.#takeRows();
    const each = requests.map((request) => ({
      ...(byBinding.get(request.split(".")[0] ?? "") ?? nothing),
      objectRequests: this.asked(request),
    }));
    await this.take();
    return each;
  }

  async #takeRows(): Promise<Map<string, Operations>> {
    const rows = new Map<string, Operations>();
    for (const object of this.#objects.values()) {
      const cursors = object.cursors.splice(0);
      // Only the object itself may look at what is its own.
      const counted = await runInDurableObject(object.stub, () =>
        cursors.map(({ rowsRead, rowsWritten }) => ({
          ...nothing,
          objectRowsRead: rowsRead,
          objectRowsWritten: rowsWritten,
        })),
      );
      const alarms = { ...nothing, objectRowsWritten: object.alarmsSet };
      object.alarmsSet = 0;
      rows.set(object.binding, sum(rows.get(object.binding) ?? nothing, alarms, ...counted));
    }
    return rows;
  }

  /** How often an object was asked, since `take`. */
  asked(request: string): number {
    return this.#requests.get(request) ?? 0;
  }

  /** Waits until nothing that was counted is under way any more. */
  async settled(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet = this.#underWay === 0 ? quiet + 1 : 0)
      await scheduler.wait(1);
  }

  database(db: D1Database): D1Database {
    const wrapped = new WeakMap<D1PreparedStatement, D1PreparedStatement>();
    const counted = async <Row>(ask: () => Promise<D1Result<Row>[]>): Promise<D1Result<Row>[]> => {
      const results = await this.#during(ask);
      let written = 0;
      this.d1Statements += results.length;
      for (const { meta } of results) {
        this.add("d1RowsRead", meta.rows_read);
        this.add("d1RowsWritten", meta.rows_written);
        written += meta.rows_written;
      }
      this.add(written > 0 ? "d1Writes" : "d1Reads", 1);
      return results;
    };
    const one = async (statement: D1PreparedStatement): Promise<D1Result> => {
      const [result] = await counted(async () => [await statement.all()]);
      if (result === undefined) throw new Error("D1 answered nothing");
      return result;
    };
    const wrap = (statement: D1PreparedStatement): D1PreparedStatement => {
      const made = {
        bind: (...values: unknown[]) => wrap(statement.bind(...values)),
        run: () => one(statement),
        all: () => one(statement),
        first: async (column?: string) => {
          const [row = null] = (await one(statement)).results as Record<string, unknown>[];
          return row === null || column === undefined ? row : row[column];
        },
      } as unknown as D1PreparedStatement;
      wrapped.set(made, statement);
      return made;
    };
    return {
      prepare: (sql: string) => wrap(db.prepare(sql)),
      batch: <Row>(statements: D1PreparedStatement[]) =>
        counted(() =>
          db.batch<Row>(statements.map((statement) => wrapped.get(statement) ?? statement)),
        ),
    } as D1Database;
  }

  kv(kv: KVNamespace): KVNamespace {
    const counted = (column: Column, call: () => Promise<unknown>): Promise<unknown> => {
      this.add(column, 1);
      return this.#during(call);
    };
    return {
      get: (key: string) => counted("kvReads", () => kv.get(key, "text")),
      put: (key: string, value: ArrayBuffer, options: KVNamespacePutOptions) =>
        counted("kvWrites", () => kv.put(key, value, options)),
      delete: (key: string) => counted("kvDeletes", () => kv.delete(key)),
    } as unknown as KVNamespace;
  }

  /** Producers only: what is read and deleted is of the consumer, see `queueOperationsOf`. */
  queue<Message>(): Queue<Message> {
    const sendBatch = async (messages: Iterable<MessageSendRequest<Message>>): Promise<void> => {
      for (const { body } of messages) this.add("queueOperations", queueOperationsOf(body));
    };
    return {
      send: (body: Message) => sendBatch([{ body }]),
      sendBatch,
    } as unknown as Queue<Message>;
  }

  /** @param fleet makes the objects' names those of this test alone */
  objects<Binding>(binding: string, namespace: Binding, fleet: string): Binding {
    const { getByName } = namespace as unknown as { getByName: (name: string) => Stub };
    const counted = (name: string): object => {
      const own = `${name}#${fleet}`;
      const stub = getByName.call(namespace, own);
      return new Proxy(stub, {
        get: (_, method) => (request: unknown) =>
          this.#during(async () => {
            await this.#instrument(binding, own, stub);
            this.#count(`${binding}.${String(method)}`);
            return await stub[String(method)]?.(request);
          }),
      });
    };
    return { getByName: counted } as Binding;
  }

  #count(request: string): void {
    this.#requests.set(request, this.asked(request) + 1);
  }

  /**
   * From now on what an object does is counted. To set an alarm is a row written, to run one a
   * request.
   */
  async #instrument(binding: string, name: string, stub: Stub): Promise<void> {
    const key = `${binding}/${name}`;
    if (this.#objects.has(key)) return;
    const counted: Instrumented = { binding, stub, cursors: [], alarmsSet: 0 };
    this.#objects.set(key, counted);
    await runInDurableObject(stub, (instance, { storage }) => {
      const { exec } = storage.sql;
      storage.sql.exec = ((sql: string, ...bindings: unknown[]) => {
        const cursor = exec.apply(storage.sql, [sql, ...(bindings as [])]);
        counted.cursors.push(cursor);
        return cursor;
      }) as typeof exec;
      const setAlarm = storage.setAlarm.bind(storage);
      storage.setAlarm = async (at) => {
        counted.alarmsSet += 1;
        await setAlarm(at);
      };
      const object = instance as unknown as {
        env: { CACHE?: KVNamespace };
        alarm?: () => Promise<void>;
      };
      const alarm = object.alarm?.bind(object);
      if (alarm !== undefined) {
        object.alarm = () => {
          this.#count(`${binding}.alarm`);
          return this.#during(alarm);
        };
      }
      const { CACHE } = object.env;
      if (CACHE !== undefined)
        Object.defineProperty(object, "env", { value: { ...object.env, CACHE: this.kv(CACHE) } });
    });
  }

  async #during<Value>(work: () => Promise<Value>): Promise<Value> {
    this.#underWay += 1;
    try {
      return await work();
    } finally {
      this.#underWay -= 1;
    }
  }
}

export function queueOperationsOf(body: unknown): number {
  return Math.ceil((JSON.stringify(body).length + QUEUE_OWN_BYTES) / QUEUE_CHUNK_BYTES);
}
