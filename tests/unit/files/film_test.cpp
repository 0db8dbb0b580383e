// Films and sounds: what is taken, what is told of them, what is refused.
#include "files/film.h"
#include "files_fixture.h"

namespace fluxgate::files {
namespace {

std::string thumbnail_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_F(FilesTest, TellsSizeDurationAndColoursOfAFilm) {
  for (const auto& [name, mime] : {std::pair{"clip.mp4", "video/mp4"}, {"spoken.mp4", "video/mp4"}, {"clip.webm", "video/webm"}}) {
    const std::string bytes = fixture(name);
    const auto stored = put(Purpose::result, bytes);
    ASSERT_TRUE(stored) << name;
    EXPECT_EQ(stored->mime, mime);
    EXPECT_EQ(stored->width, 96) << name;
    EXPECT_EQ(stored->height, 64) << name;
    EXPECT_EQ(stored->duration_ms, 1500) << name;
    EXPECT_FALSE(stored->thumbhash.empty()) << name;
    EXPECT_EQ(content(stored->key), bytes) << "kept byte for byte";
  }
}

TEST_F(FilesTest, DrawsPreviewsOfFilmsFromTheirFirstPicture) {
  const auto stored = put(Purpose::result, fixture("clip.mp4"));
  ASSERT_TRUE(stored);
  std::filesystem::remove_all(directory_ / "thumbs");  // whoever wants the space may take it
  const auto path = wait(files_->thumbnail_path(stored->key, 320));
  ASSERT_TRUE(path) << path.error().code();
  const Look seen = look(thumbnail_of(*path));
  EXPECT_EQ(seen.width, 96);
  EXPECT_EQ(seen.height, 64);
  EXPECT_TRUE(seen.blue_left);
}

TEST_F(FilesTest, ShowsAFilmUprightAsItsFileSays) {
  const auto stored = put(Purpose::video_upload, fixture("turned.mov"));
  ASSERT_TRUE(stored) << stored.error().code();
  EXPECT_EQ(stored->mime, "video/quicktime");
  EXPECT_EQ(stored->width, 64);
  EXPECT_EQ(stored->height, 96);
  const Look seen = look(thumbnail_of(*wait(files_->thumbnail_path(stored->key, 320))));
  EXPECT_EQ(seen.height, 96);
  EXPECT_TRUE(seen.blue_top);
}

TEST_F(FilesTest, TakesFourKindsOfSound) {
  for (const auto& [name, mime] : {std::pair{"sound.mp3", "audio/mpeg"}, {"sound.wav", "audio/wav"},
                                   {"sound.m4a", "audio/mp4"}, {"sound.aac", "audio/aac"}}) {
    const auto stored = put(Purpose::audio_upload, fixture(name));
    ASSERT_TRUE(stored) << name << ' ' << stored.error().code();
    EXPECT_EQ(stored->mime, mime);
    EXPECT_NEAR(static_cast<double>(stored->duration_ms), 1030, 50) << name;
    EXPECT_EQ(stored->width, 0);
  }
}

TEST_F(FilesTest, RefusesFilmsAndSoundsThatAreSomethingElse) {
  EXPECT_EQ(refusal(Purpose::video_upload, fixture("clip.webm")), "unsupported_video");
  EXPECT_EQ(refusal(Purpose::video_upload, fixture("sound.m4a")), "unsupported_video");
  EXPECT_EQ(refusal(Purpose::video_upload, draw({})), "unsupported_video");
  EXPECT_EQ(refusal(Purpose::audio_upload, fixture("clip.mp4")), "unsupported_audio");
  EXPECT_EQ(refusal(Purpose::audio_upload, "OggS" + std::string(300, '\0')), "unsupported_audio");
  EXPECT_EQ(refusal(Purpose::audio_upload, "#!/bin/sh\n"), "unsupported_audio");
  EXPECT_EQ(refusal(Purpose::upload, fixture("clip.mp4")), "unsupported_image");
  EXPECT_EQ(refusal(Purpose::media_upload, "<html>"), "unsupported_media");
  EXPECT_EQ(files_in(""), 0);
}

TEST_F(FilesTest, RefusesFilmsAndSoundsThatAreCutOffOrFalse) {
  for (const char* name : {"clip.mp4", "spoken.mp4", "turned.mov"}) {
    const std::string whole = fixture(name);
    // The table stands before the bytes in the first two, so that one byte is missed.
    for (const std::size_t kept : {whole.size() - (std::string_view(name) == "turned.mov" ? 500 : 1), whole.size() / 2, std::size_t{64}})
      EXPECT_EQ(refusal(Purpose::video_upload, whole.substr(0, kept)), "broken_video") << name << ' ' << kept;
  }
  const std::string m4a = fixture("sound.m4a");
  EXPECT_EQ(refusal(Purpose::audio_upload, m4a.substr(0, m4a.size() / 2)), "broken_sound");
  const std::string wav = fixture("sound.wav");
  EXPECT_EQ(refusal(Purpose::audio_upload, wav.substr(0, wav.size() - 1)), "broken_sound");
  EXPECT_EQ(refusal(Purpose::audio_upload, "ID3" + std::string(3000, 'x')), "broken_sound");
  EXPECT_EQ(refusal(Purpose::audio_upload, "RIFF\x40\x40\x40\x40WAVE" + std::string(3000, 'x')), "broken_sound");
  // A film's head with a page behind it.
  EXPECT_EQ(refusal(Purpose::video_upload, fixture("clip.mp4").substr(0, 32) + std::string(2000, '<')), "broken_video");
  EXPECT_EQ(files_in(""), 0);
}

std::string replaced(std::string bytes, std::string_view what, std::string_view by, std::size_t from = 0) {
  for (auto at = bytes.find(what, from); at != std::string::npos; at = bytes.find(what, at + by.size())) bytes.replace(at, what.size(), by);
  return bytes;
}

// Written into a pipe, nobody knew how long it would be.
TEST_F(FilesTest, TakesASoundThatDoesNotSayHowLongItIs) {
  std::string wav = fixture("sound.wav");
  for (const char* length : {"\xff\xff\xff\xff", "\x00\xf0\xff\x7f"}) {
    wav.replace(wav.find("data") + 4, 4, length, 4);
    EXPECT_TRUE(put(Purpose::audio_upload, wav));
  }
}

TEST_F(FilesTest, RefusesFilmsWithoutPicturesThatWeDecode) {
  EXPECT_EQ(refusal(Purpose::video_upload, replaced(fixture("sound.m4a"), "M4A ", "isom")), "broken_video") << "sound only";
  const std::string film = fixture("clip.mp4");
  EXPECT_EQ(refusal(Purpose::video_upload, replaced(film, "avc1", "cvid", film.find("stsd"))), "broken_video") << "Cinepak";
  const auto words = [&](std::string bytes) { return std::string(put(Purpose::video_upload, bytes).error().message().en); };
  EXPECT_EQ(words(replaced(fixture("sound.m4a"), "M4A ", "isom")), "The video has no pictures.");
  EXPECT_NE(words(replaced(film, "avc1", "cvid", film.find("stsd"))).find("cinepak"), std::string::npos);
  EXPECT_TRUE(put(Purpose::video_upload, film));
}

TEST_F(FilesTest, HasALimitForEachKind) {
  const std::string film = fixture("clip.mp4"), sound = fixture("sound.mp3"), picture = draw({});
  options_.video_limit = film.size();
  options_.audio_limit = sound.size();
  options_.upload_limit = picture.size();
  open();
  for (const auto purpose : {Purpose::media_upload, Purpose::video_upload}) EXPECT_TRUE(put(purpose, film, 100));
  for (const auto purpose : {Purpose::media_upload, Purpose::audio_upload}) EXPECT_TRUE(put(purpose, sound, 100));
  for (const auto purpose : {Purpose::media_upload, Purpose::upload}) EXPECT_TRUE(put(purpose, picture, 100));
  EXPECT_EQ(files_->limit_of(Purpose::media_upload), std::max({film.size(), sound.size(), picture.size()}));
  options_.video_limit = film.size() - 1;
  options_.audio_limit = sound.size() - 1;
  options_.upload_limit = picture.size() - 1;
  open();
  EXPECT_EQ(refusal(Purpose::media_upload, film), "file_too_large");
  EXPECT_EQ(refusal(Purpose::audio_upload, sound), "file_too_large");
  EXPECT_EQ(refusal(Purpose::media_upload, picture), "file_too_large");
}

TEST_F(FilesTest, LimitsPixelsPacketsAndSecondsOfAFilm) {
  const std::string path = directory_ / "clip.mp4";
  std::ofstream(path, std::ios::binary) << fixture("clip.mp4");
  const auto code = [&](FilmLimits limits) {
    const auto facts = inspect_film(path, Format::mp4, limits);
    return facts ? "taken" : facts.error().code();
  };
  EXPECT_EQ(code({.max_pixels = 96 * 64}), "taken");
  EXPECT_EQ(code({.max_pixels = 96 * 64 - 1}), "too_many_pixels");
  EXPECT_EQ(code({.max_packets = 0}), "broken_video");
  EXPECT_EQ(code({.max_seconds = 0}), "video_too_slow");
  EXPECT_EQ(inspect_film(path, Format::mp4, {.poster_side = 48})->poster.width, 48);
  EXPECT_EQ(inspect_sound(path, Format::mp3).error().code(), "broken_sound");
}

}  // namespace
}  // namespace fluxgate::files
