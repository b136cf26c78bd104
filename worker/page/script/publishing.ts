/** The form: picking files, and sending them. */
export const publishing: string = String.raw`
let picked = [];
function pick(files) {
  picked = files;
  const bytes = files.reduce((sum, { file }) => sum + file.size, 0);
  setText($("picked"), files.length === 0 ? "Drop files here, or choose" : plural(files.length, "file") + ", " + size(bytes));
  $("clear").hidden = files.length === 0;
  $("publish").disabled = files.length === 0;
  setText($("upload-trouble"), "");
}
function pickFrom(input) {
  pick([...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
  input.value = "";
}
$("files").addEventListener("change", () => pickFrom($("files")));
$("folder").addEventListener("change", () => pickFrom($("folder")));
$("clear").addEventListener("click", () => pick([]));

/** Files of a dropped folder, with their paths. */
async function filesUnder(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ file, path: entry.fullPath.replace(/^\//, "") }];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return found;
    for (const each of some) found.push(...(await filesUnder(each)));
  }
}
const drop = $("drop");
drop.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", async (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  try {
    pick((await Promise.all(entries.map(filesUnder))).flat());
  } catch (error) {
    setText($("upload-trouble"), "That could not be read: " + error.message);
  }
});

$("name").value = localStorage.getItem("perdura-name") || "";
$("name").addEventListener("change", () => localStorage.setItem("perdura-name", $("name").value.trim()));

$("upload").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = new FormData();
  form.set("approvalTimeout", $("timeout").value);
  for (const { file, path } of picked) form.append("files", file, path);
  $("publish").disabled = true;
  setText($("publish"), "Uploading…");
  try {
    const { instanceId } = await call("POST", "/publish", form);
    pick([]);
    announce(instanceId + " has started");
    pages.length = 0;
    poll();
  } catch (error) {
    setText($("upload-trouble"), "Not published: " + error.message);
  }
  setText($("publish"), "Publish");
  $("publish").disabled = picked.length === 0;
});
`;
