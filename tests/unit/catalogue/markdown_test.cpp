#include "catalogue/markdown.h"
#include "test_paths.h"

#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>

namespace fluxgate::catalogue {
namespace {

TEST(ModelsPage, SaysWhatTheCatalogueHas) {
  auto loaded = load("");
  ASSERT_TRUE(loaded.catalogue);
  const std::string file = FLUXGATE_SOURCE_DIR "/docs/models.md";
  std::string page = models_markdown(*loaded.catalogue);
  if (std::getenv("FLUXGATE_UPDATE")) std::ofstream(file) << page;
  std::ifstream in(file);
  std::string written((std::istreambuf_iterator<char>(in)), {});
  EXPECT_EQ(written, page) << "docs/models.md is stale: run the catalogue's tests with FLUXGATE_UPDATE=1";
}

}  // namespace
}  // namespace fluxgate::catalogue
