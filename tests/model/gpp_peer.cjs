// The reference implementation as a peer: each line on stdin is {"read": text} or
// {"write": {section: {field: value}}}, each line on stdout the answer.
const { createInterface } = require("node:readline");
const { GppModel } = require(require.resolve("@iabgpp/cmpapi", { paths: [process.argv[2]] }));
createInterface({ input: process.stdin }).on("line", (line) => {
  const { read, write } = JSON.parse(line);
  if (read !== undefined) return console.log(JSON.stringify(new GppModel(read).toObject()));
  const model = new GppModel();
  for (const [section, fields] of Object.entries(write))
    for (const [field, value] of Object.entries(fields)) model.setFieldValue(section, field, value);
  console.log(JSON.stringify(model.encode()));
});
