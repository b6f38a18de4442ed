// Geometry: every orientation of the array is shown the same way round, and a voxel lies where its affine says.
#include "volume.h"

#include <QTest>
#include <algorithm>
#include <cmath>
#include <numeric>

class TestVolume : public QObject
{
    Q_OBJECT

private slots:
    void everyOrientation();
    void oblique();
    void asStored();
    void flatNifti();
    void range();
    void grids();
};

static const int64_t SHAPE[4] = {1, 4, 5, 6}; // channels, D, H, W
static const double SPACING[3] = {3, 2, 1};

// A volume whose array axis a runs along anatomical direction order[a], the other way where its bit is set.
static Volume makeVolume(const std::array<int, 3> &order, int flips, bool oriented = true)
{
    double affine[16] = {};
    for (int axis = 0; axis < 3; ++axis)
        affine[order[axis] * 4 + axis] = SPACING[2 - axis] * (flips >> axis & 1 ? -1 : 1);
    affine[3] = 10;
    affine[7] = -20;
    affine[11] = 30;
    affine[15] = 1;
    std::vector<float> voxels(4 * 5 * 6);
    std::iota(voxels.begin(), voxels.end(), 0.0F);
    return Volume(SHAPE, SPACING, affine, false, oriented, voxels);
}

// Where a pixel of a view lies in the patient.
static std::array<double, 3> place(const Volume &volume, const Plane &plane, int slice, int column, int row)
{
    return volume.position(plane.index(volume.size(), slice, column, row));
}

static void checkViews(const Volume &volume)
{
    enum { Right, Anterior, Superior };
    // For each view: the direction that its columns fall along, its rows fall along, its slices rise along.
    const int expected[3][3] = {{Right, Anterior, Superior}, {Right, Superior, Anterior}, {Anterior, Superior, Right}};
    for (int view = 0; view < 3; ++view) {
        const Plane plane = volume.plane(static_cast<View>(view));
        const auto corner = place(volume, plane, 1, 1, 1);
        const auto right = place(volume, plane, 1, 2, 1), down = place(volume, plane, 1, 1, 2);
        const auto next = place(volume, plane, plane.rises ? 2 : 0, 1, 1);
        for (const auto &[step, direction, sign] :
             {std::tuple{right, expected[view][0], -1}, {down, expected[view][1], -1}, {next, expected[view][2], 1}}) {
            std::array<double, 3> moved;
            for (int d = 0; d < 3; ++d)
                moved[d] = step[d] - corner[d];
            for (int d = 0; d < 3; ++d)
                QVERIFY(std::fabs(moved[d]) <= std::fabs(moved[direction]));
            QVERIFY(moved[direction] * sign > 0);
        }
        // Sampling gives the same voxels.
        const Index &size = volume.size();
        std::vector<size_t> visited;
        plane.visit(size, 1, 1, 0, 2, 2, 2, [&](int number, size_t voxel) {
            QCOMPARE(number, static_cast<int>(visited.size()));
            visited.push_back(voxel);
        });
        for (int n = 0; n < 4; ++n) {
            const Index at = plane.index(size, 1, 1 + n % 2 * 2, n / 2 * 2);
            QCOMPARE(volume.channel(0)[visited[n]], volume.at(0, at));
        }
        const char letters[3][4] = {{'R', 'L', 'A', 'P'}, {'R', 'L', 'S', 'I'}, {'A', 'P', 'S', 'I'}};
        QCOMPARE(plane.left, QLatin1Char(letters[view][0]));
        QCOMPARE(plane.right, QLatin1Char(letters[view][1]));
        QCOMPARE(plane.top, QLatin1Char(letters[view][2]));
        QCOMPARE(plane.bottom, QLatin1Char(letters[view][3]));
    }
}

void TestVolume::everyOrientation()
{
    std::array<int, 3> order{0, 1, 2};
    do {
        for (int flips = 0; flips < 8; ++flips) {
            const Volume volume = makeVolume(order, flips);
            checkViews(volume);
            QCOMPARE(volume.at(0, {5, 4, 3}), 119.0F);
            QCOMPARE(volume.at(0, {1, 0, 0}), 1.0F);
            QCOMPARE(volume.spacing(0), 1.0);
            QCOMPARE(volume.spacing(2), 3.0);
            const auto origin = volume.position({0, 0, 0});
            QCOMPARE(origin[0], 10.0);
            QCOMPARE(origin[1], -20.0);
            QCOMPARE(origin[2], 30.0);
        }
    } while (std::next_permutation(order.begin(), order.end()));
}

void TestVolume::oblique()
{
    // Turned by 30 degrees about S: still R to the left and A above.
    const double c = std::cos(0.52), s = std::sin(0.52);
    const double affine[16] = {c, -2 * s, 0, 0, s, 2 * c, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1};
    checkViews(Volume(SHAPE, SPACING, affine, false, true, std::vector<float>(120)));
}

void TestVolume::asStored()
{
    const Volume volume = makeVolume({0, 1, 2}, 0, false);
    for (View view : {View::Axial, View::Coronal, View::Sagittal}) {
        const Plane plane = volume.plane(view);
        QCOMPARE(plane.across, 0);
        QCOMPARE(plane.down, 1);
        QVERIFY(!plane.flipAcross && !plane.flipDown && plane.left.isNull());
    }
}

void TestVolume::flatNifti()
{
    // A coronal picture: rows along S.
    const int64_t shape[4] = {1, 1, 5, 6};
    const double affine[16] = {1, 0, 0, 0, 0, 0, 3, 0, 0, 2, 0, 0, 0, 0, 0, 1};
    const Volume volume(shape, SPACING, affine, true, true, std::vector<float>(30));
    QVERIFY(volume.flatView() == View::Coronal);
    QCOMPARE(volume.plane(View::Coronal).normal, 2);
}

void TestVolume::range()
{
    std::vector<float> voxels(1000 * 1000);
    std::iota(voxels.begin(), voxels.end(), 0.0F);
    const int64_t shape[4] = {1, 1, 1000, 1000};
    const double affine[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    const auto range = Volume(shape, SPACING, affine, true, false, voxels).range();
    QVERIFY(std::fabs(range[0] - 5000) < 10 && std::fabs(range[1] - 995000) < 10);
    // One value, and a mask with a single voxel set.
    std::fill(voxels.begin(), voxels.end(), 7.0F);
    QCOMPARE(Volume(shape, SPACING, affine, true, false, voxels).range()[1], 8.0F);
    voxels[0] = 9;
    QCOMPARE(Volume(shape, SPACING, affine, true, false, voxels).range()[1], 9.0F);
}

void TestVolume::grids()
{
    const Volume volume = makeVolume({0, 1, 2}, 0);
    QVERIFY(volume.sameGrid(makeVolume({0, 1, 2}, 0), 0.1));
    QVERIFY(!volume.sameGrid(makeVolume({0, 1, 2}, 1), 0.1));
}

QTEST_APPLESS_MAIN(TestVolume)
#include "test_volume.moc"
