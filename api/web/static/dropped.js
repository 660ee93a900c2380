// What was dropped or chosen, as pairs of path and file; a folder is walked to its last file.
export async function filesOf(transfer) {
  // The list of items is empty once this function has waited for anything.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return named(transfer.files);
  return (await Promise.all(entries.map((entry) => below(entry, "")))).flat();
}

export const named = (files) => [...files].map((file) => [file.webkitRelativePath || file.name, file]);

async function below(entry, folder) {
  const path = folder + entry.name;
  if (entry.isFile) return [[path, await new Promise((found, failed) => { entry.file(found, failed); })]];
  const reader = entry.createReader();
  const files = [];
  for (;;) {
    // A reader gives a hundred entries at a time, and none at the end.
    const some = await new Promise((found, failed) => { reader.readEntries(found, failed); });
    if (!some.length) return files;
    for (const one of some) files.push(...(await below(one, `${path}/`)));
  }
}
