// Where strokes are kept between two visits: in the browser, never on the server. IndexedDB keeps
// them for good; a browser that has none for this page keeps them for the tab, or not at all. Tabs of
// one browser have the same database: each tells the others what it writes, as it would otherwise be
// replaced by what they read when they were opened.

/** @typedef {import("./class_lists.js").ClassList} ClassList */
/** @typedef {import("./sheet.js").SheetRecord} SheetRecord */
/** @typedef {ClassList | SheetRecord} KeptRecord */
/** @typedef {{kind: "gone", id: string, when: number}} Gone A record that was removed. */
/**
 * @typedef {object} Kept
 * @property {string} words What the visitor has to know about it; "" if nothing.
 * @property {KeptRecord[]} records That were there.
 * @property {(record: KeptRecord) => void} put
 * @property {(id: string) => void} remove
 */

const DATABASE = "unet_hf strokes", STORE = "records";
const PATIENCE = 3000;  // milliseconds, after which IndexedDB counts as missing

/**
 * @param {(words: string) => void} failed Is told when something could not be kept.
 * @param {(record: KeptRecord | Gone) => void} changed Is told what another tab has written.
 * @returns {Promise<Kept>}
 */
export async function openKept(failed, changed) {
  try {
    return await inDatabase(failed, changed);
  } catch (error) {
    console.warn(`Strokes are not kept in IndexedDB: ${error}`);
  }
  try {
    return inTab(failed);
  } catch {
    return { words: "This browser keeps strokes only until the page is reloaded.", records: [],
      put: () => {}, remove: () => {} };
  }
}

/**
 * @param {(words: string) => void} failed
 * @param {(record: KeptRecord | Gone) => void} changed
 * @returns {Promise<Kept>}
 */
async function inDatabase(failed, changed) {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE, { keyPath: "id" });
  const database = await done(opening);
  const change = (/** @type {(store: IDBObjectStore) => void} */ act) => {
    const transaction = database.transaction(STORE, "readwrite");
    transaction.onabort = () =>
      failed("The last strokes could not be kept: this browser's storage is full.");
    act(transaction.objectStore(STORE));
    transaction.commit();  // at once, even if the page is reloaded now
  };
  const others = new BroadcastChannel(DATABASE);
  others.onmessage = ({ data }) => changed(data);  // before the records are read: none is missed
  const records = await done(database.transaction(STORE).objectStore(STORE).getAll());
  return { words: "", records,
    put: (record) => {
      change((store) => store.put(record));
      others.postMessage(record);
    },
    remove: (id) => {
      change((store) => store.delete(id));
      others.postMessage({ kind: "gone", id, when: Date.now() });
    } };
}

/**
 * @template Result
 * @param {IDBRequest<Result>} request
 * @returns {Promise<Result>}
 */
function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    setTimeout(() => reject(new Error("no answer")), PATIENCE);
  });
}

/**
 * @param {(words: string) => void} failed
 * @returns {Kept}
 */
function inTab(failed) {
  const prefix = `${DATABASE} `;
  const keys = Object.keys(sessionStorage).filter((key) => key.startsWith(prefix));
  sessionStorage.setItem(DATABASE, "");  // raises where there is no room at all
  const records = keys.map((key) => JSON.parse(sessionStorage.getItem(key) ?? ""));
  return { words: "This browser keeps strokes only until the tab is closed.", records,
    put: (record) => {
      try {
        sessionStorage.setItem(prefix + record.id, JSON.stringify(record));
      } catch {
        failed("The last strokes could not be kept: this browser's storage is full.");
      }
    },
    remove: (id) => sessionStorage.removeItem(prefix + id) };
}
