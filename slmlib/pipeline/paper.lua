-- What Quarto adds to pandoc for the paper: tables with captions, texts for images, cross-references.

local names = {fig = "Figure", tbl = "Table", sec = "Section"}
local html = FORMAT:match("html") ~= nil
local labels = {}

local function kind(identifier)
  return names[identifier:match("^(%a+)%-")]
end

-- `::: {#tbl-x}` around a table and a paragraph is a table with caption and identifier.
local function table_of(div)
  if not div.identifier:match("^tbl%-") then return nil end
  local inner = div.content[1]
  inner.identifier = div.identifier
  inner.caption = {long = {pandoc.Plain(div.content[2].content)}}
  return inner
end

local function number(blocks)
  local levels, counts = {0, 0, 0, 0, 0, 0}, {Figure = 0, Table = 0}
  for _, block in ipairs(blocks) do
    if block.t == "Header" and not block.classes:includes("unnumbered") then
      levels[block.level] = levels[block.level] + 1
      for deeper = block.level + 1, 6 do levels[deeper] = 0 end
      labels[block.identifier] = "Section\u{a0}" .. table.concat(levels, ".", 1, block.level)
    elseif (block.t == "Figure" or block.t == "Table") and kind(block.identifier) then
      local name = kind(block.identifier)
      counts[name] = counts[name] + 1
      labels[block.identifier] = name .. "\u{a0}" .. counts[name]
    end
  end
end

-- typst numbers by itself
local function caption(block)
  if html and labels[block.identifier] then
    block.caption.long[1].content:insert(1, pandoc.Str(labels[block.identifier] .. ": "))
  end
  return block
end

local function reference(cite)
  local id = cite.citations[1].id
  if not kind(id) then return nil end
  if not html then return pandoc.RawInline("typst", "@" .. id) end
  if not labels[id] then error("@" .. id .. " points at nothing. Fix: give something that id.") end
  return pandoc.Link(labels[id], "#" .. id)
end

-- the text of an image is its `fig-alt`; the page lies one folder below the root of the site
local function image(img)
  img.caption = img.attributes["fig-alt"] and pandoc.Inlines(img.attributes["fig-alt"]) or img.caption
  img.attributes["fig-alt"] = nil
  if html then img.src = img.src:gsub("^/", "../") end
  return img
end

local function link(a)
  if html then a.target = a.target:gsub("^/", "../") end
  return a
end

function Pandoc(doc)
  doc = doc:walk({Div = table_of})
  number(doc.blocks)
  doc = doc:walk({Figure = caption, Table = caption, Cite = reference, Image = image, Link = link})
  if html then
    local abstract = doc.meta.abstract
    abstract = pandoc.utils.type(abstract) == "Inlines" and {pandoc.Para(abstract)} or abstract
    local heading = pandoc.Para(pandoc.Strong("Abstract"))
    doc.blocks:insert(1, pandoc.Div({heading, table.unpack(abstract)}, {class = "abstract"}))
  end
  return doc
end
