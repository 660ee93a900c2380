// An archive of files, made in the browser.
const BLOCK = 512;
const encoder = new TextEncoder();

function field(header, start, text, length) {
  header.set(encoder.encode(text).subarray(0, length), start);
}

// A ustar header (POSIX.1-1988) of a plain file; a long name is split at a slash into prefix and name.
function headerOf(path, size) {
  const header = new Uint8Array(BLOCK);
  let name = path;
  let prefix = "";
  if (encoder.encode(name).length > 100) {
    const cut = [...path.matchAll(/\//g)].map((found) => found.index).find((at) => encoder.encode(path.slice(at + 1)).length <= 100);
    if (cut === undefined || encoder.encode(path.slice(0, cut)).length > 155) throw new Error(`The name ${path} is too long for an archive.`);
    prefix = path.slice(0, cut);
    name = path.slice(cut + 1);
  }
  field(header, 0, name, 100);
  field(header, 100, "0000644\0", 8);
  field(header, 108, "0000000\0", 8);
  field(header, 116, "0000000\0", 8);
  field(header, 124, `${size.toString(8).padStart(11, "0")}\0`, 12);
  field(header, 136, "00000000000\0", 12);
  field(header, 148, "        ", 8);
  field(header, 156, "0", 1);
  field(header, 257, "ustar\0" + "00", 8);
  field(header, 345, prefix, 155);
  const sum = header.reduce((total, byte) => total + byte, 0);
  field(header, 148, `${sum.toString(8).padStart(6, "0")}\0 `, 8);
  return header;
}

// Of pairs of path and file: a Blob over the files themselves: nothing is read before it is sent.
export function tarOf(named) {
  const parts = [];
  for (const [path, file] of [...named].sort(([a], [b]) => (a < b ? -1 : 1))) {
    parts.push(headerOf(path, file.size), file, new Uint8Array((BLOCK - (file.size % BLOCK)) % BLOCK));
  }
  parts.push(new Uint8Array(2 * BLOCK));
  return new Blob(parts, { type: "application/octet-stream" });
}
