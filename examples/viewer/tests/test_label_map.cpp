// Brush, fill, undo as runs, and snapshots that painting leaves alone.
#include "label_map.h"

#include <QTest>
#include <algorithm>
#include <cmath>

static const Index SIZE{40, 30, 50}; // three blocks and a part of one
static const std::array<double, 3> SPACING{1, 1, 2};

class TestLabelMap : public QObject
{
    Q_OBJECT

private slots:
    void disc();
    void ball();
    void stroke();
    void otherLabels();
    void fill();
    void undo();
    void snapshots();
    void replace();
    void leavesTheImage();
};

static std::unique_ptr<LabelMap> makeMap()
{
    return std::make_unique<LabelMap>(SIZE, SPACING, emptyLabels(SIZE));
}

static int count(const LabelMap &map, quint16 value)
{
    const std::vector<quint16> dense = denseOf(map.voxels());
    return static_cast<int>(std::count(dense.begin(), dense.end(), value));
}

static void paint(LabelMap &map, const Index &from, const Index &to, const Brush &brush)
{
    map.begin();
    map.paint(from, to, brush);
    map.end(QStringLiteral("stroke"));
}

static Brush brushOf(double radius, int flat, quint16 value)
{
    Brush brush;
    brush.radius = radius;
    brush.flat = flat;
    brush.value = value;
    return brush;
}

// What a stamp has to paint, voxel by voxel, in millimetres.
static int expected(const Index &centre, double radius, int flat)
{
    int voxels = 0;
    for (int k = 0; k < SIZE[2]; ++k) {
        for (int j = 0; j < SIZE[1]; ++j) {
            for (int i = 0; i < SIZE[0]; ++i) {
                const Index at{i, j, k};
                double square = 0;
                for (int axis = 0; axis < 3; ++axis)
                    square += std::pow((at[axis] - centre[axis]) * SPACING[axis], 2);
                voxels += square <= radius * radius && (flat < 0 || at[flat] == centre[flat]);
            }
        }
    }
    return voxels;
}

void TestLabelMap::disc()
{
    for (int flat = 0; flat < 3; ++flat) {
        const auto map = makeMap();
        paint(*map, {20, 15, 10}, {20, 15, 10}, brushOf(5, flat, 3));
        QCOMPARE(count(*map, 3), expected({20, 15, 10}, 5, flat));
    }
    const auto map = makeMap();
    paint(*map, {0, 0, 0}, {0, 0, 0}, brushOf(0.2, 2, 1));
    QCOMPARE(count(*map, 1), 1); // the voxel under the mouse at least
}

void TestLabelMap::ball()
{
    const auto map = makeMap();
    paint(*map, {38, 2, 10}, {38, 2, 10}, brushOf(6, -1, 1)); // cut by two faces
    QCOMPARE(count(*map, 1), expected({38, 2, 10}, 6, -1));
}

void TestLabelMap::stroke()
{
    const auto map = makeMap();
    paint(*map, {5, 15, 4}, {35, 15, 4}, brushOf(2, 2, 1));
    for (int i = 5; i <= 35; ++i) // no gap, and nearly its full breadth everywhere
        QVERIFY(map->at({i, 15, 4}) == 1 && map->at({i, 16, 4}) == 1 && map->at({i, 14, 4}) == 1);
    QCOMPARE(map->at({20, 18, 4}), 0);
    QCOMPARE(map->at({20, 15, 5}), 0);
    QCOMPARE(map->undoStack().count(), 1);
}

void TestLabelMap::otherLabels()
{
    const auto map = makeMap();
    paint(*map, {20, 15, 4}, {20, 15, 4}, brushOf(3, 2, 1));
    const int first = count(*map, 1);
    Brush brush = brushOf(6, 2, 2);
    brush.onlyBackground = true;
    paint(*map, {20, 15, 4}, {20, 15, 4}, brush);
    QCOMPARE(count(*map, 1), first);
    QCOMPARE(count(*map, 2), expected({20, 15, 4}, 6, 2) - first);
    brush.onlyBackground = false;
    paint(*map, {20, 15, 4}, {20, 15, 4}, brush);
    QCOMPARE(count(*map, 1), 0);
    paint(*map, {20, 15, 4}, {20, 15, 4}, brushOf(6, 2, 0)); // erased
    QCOMPARE(count(*map, 0), SIZE[0] * SIZE[1] * SIZE[2]);
}

void TestLabelMap::fill()
{
    for (int flat = 0; flat < 3; ++flat) {
        const auto map = makeMap();
        const int inside = expected({20, 15, 10}, 6, flat), core = expected({20, 15, 10}, 4, flat);
        paint(*map, {20, 15, 10}, {20, 15, 10}, brushOf(6, flat, 1));
        paint(*map, {20, 15, 10}, {20, 15, 10}, brushOf(4, flat, 0)); // a ring is left
        map->begin();
        map->fill({20, 15, 10}, brushOf(1, flat, 2));
        map->end(QStringLiteral("fill"));
        QCOMPARE(count(*map, 2), core);
        QCOMPARE(count(*map, 1), inside - core);
        map->undoStack().undo();
        QCOMPARE(count(*map, 2), 0);
    }
}

void TestLabelMap::undo()
{
    const auto map = makeMap();
    QList<LabelVoxels> states{map->voxels()};
    QVERIFY(!map->modified());
    for (int n = 0; n < 5; ++n) {
        paint(*map, {5 + 5 * n, 10, 5}, {10 + 5 * n, 20, 5 + n},
              brushOf(3, n % 2 ? -1 : 2, static_cast<quint16>(n % 3 + 1)));
        states.append(map->voxels());
    }
    QVERIFY(map->modified());
    const qsizetype steps = map->undoStack().count();
    for (qsizetype n = steps; n-- > 0;)
        map->undoStack().undo();
    QVERIFY(map->voxels() == states.first() && !map->modified());
    for (qsizetype n = 0; n < steps; ++n)
        map->undoStack().redo();
    QVERIFY(map->voxels() == states.last());
    const quint64 revision = map->revision();
    map->undoStack().undo();
    QVERIFY(map->revision() != revision);
}

void TestLabelMap::snapshots()
{
    const auto map = makeMap();
    paint(*map, {20, 15, 4}, {20, 15, 4}, brushOf(5, 2, 1));
    const LabelVoxels snapshot = map->voxels();
    const std::vector<quint16> before = denseOf(snapshot);
    paint(*map, {20, 15, 6}, {20, 15, 6}, brushOf(5, 2, 2));
    QVERIFY(denseOf(snapshot) == before);
    // Only the block that was painted on has been copied.
    QCOMPARE(map->voxels().size(), 4);
    for (int b = 0; b < 4; ++b)
        QCOMPARE(map->voxels().at(b).constData() == snapshot.at(b).constData(), b != 0);
    // What changed is a few runs, a row each, whatever the size of the map.
    const Runs runs = difference(snapshot, map->voxels());
    QCOMPARE(static_cast<int>(runs.size()), 11);
    QVERIFY(labelsOf(before) == snapshot);
}

void TestLabelMap::replace()
{
    const auto map = makeMap();
    paint(*map, {20, 15, 4}, {20, 15, 4}, brushOf(5, 2, 1));
    const LabelVoxels before = map->voxels();
    std::vector<quint16> dense(denseOf(before).size());
    dense[(4 * SIZE[1] + 15) * SIZE[0] + 20] = 2;                       // within the old label, which goes
    std::fill_n(dense.begin() + 2 * LABEL_BLOCK - 50, 100, quint16(1)); // beyond a block's end
    const LabelVoxels after = labelsOf(dense);
    map->replace(after, difference(before, after), QStringLiteral("accept"));
    QVERIFY(map->voxels() == after);
    map->undoStack().undo();
    QVERIFY(map->voxels() == before);
    map->undoStack().redo();
    QVERIFY(map->voxels() == after);
    map->replace(after, {}, QStringLiteral("nothing"));
    QCOMPARE(map->undoStack().count(), 2);
}

void TestLabelMap::leavesTheImage()
{
    const auto map = makeMap();
    paint(*map, {35, 15, 4}, {60, 15, 4}, brushOf(2, 2, 1));
    paint(*map, {-20, -20, 4}, {-10, -10, 4}, brushOf(2, 2, 1));
    QCOMPARE(map->at({39, 15, 4}), 1);
    QVERIFY(count(*map, 1) > 20 && count(*map, 1) < 40);
}

QTEST_APPLESS_MAIN(TestLabelMap)
#include "test_label_map.moc"
